// fathom convert: writes one table of a dataset in another format.

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "tools/commands.h"
#include "tools/exit_code.h"

namespace fathom {
namespace {

struct ConvertFlags {
  std::string dataset;
  std::string to = "csv";
  std::string table = "links";
  std::string output = "-";
};

absl::StatusOr<Table> FindTable(const std::string& name) {
  for (size_t i = 0; i < std::size(kTableNames); ++i) {
    if (name == kTableNames[i]) return static_cast<Table>(i);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--table ", name, ": there are ", absl::StrJoin(kTableNames, ", ")));
}

absl::Status CopyHops(DatasetReader& from, DatasetWriter& to) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, from.NextReplies());
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(to.WriteScanReplies(replies, from.reply_scans()));
  }
}

absl::Status CopyLinks(DatasetReader& from, DatasetWriter& to) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, from.NextLinks());
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(to.WriteLinks(links));
  }
}

absl::Status CopyScanLinks(DatasetReader& from, DatasetWriter& to) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, from.NextScanLinks());
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(to.WriteScanLinks(links));
  }
}

absl::Status Copy(Table table, DatasetReader& from, DatasetWriter& to) {
  switch (table) {
    case Table::kHops:
      return CopyHops(from, to);
    case Table::kLinkScans:
    case Table::kGapScans:
      return CopyScanLinks(from, to);
    case Table::kLinks:
    case Table::kGaps:
      break;
  }
  return CopyLinks(from, to);
}

absl::Status Convert(const ConvertFlags& flags) {
  const auto format = Register<FormatModule>::Find(flags.to);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--to ", std::string(format.status().message())));
  }
  FATHOM_ASSIGN_OR_RETURN(const Table table, FindTable(flags.table));
  FATHOM_ASSIGN_OR_RETURN(const auto from, OpenDataset(flags.dataset));
  const bool of_scans = table == Table::kLinkScans || table == Table::kGapScans;
  if (of_scans && !from->several_scans()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--table ", flags.table, ": ", flags.dataset,
                     " is of one scan; only merged datasets have this table"));
  }
  FATHOM_ASSIGN_OR_RETURN(
      const auto to, format->create({.path = flags.output,
                                     .table = table,
                                     .several_scans = from->several_scans()}));
  FATHOM_RETURN_IF_ERROR(Copy(table, *from, *to));
  return to->Finish(from->manifest());
}

}  // namespace

void AddConvert(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "convert", "Write a table of a dataset in another format");
  const auto flags = std::make_shared<ConvertFlags>();
  command->add_option("NAME", flags->dataset, "the dataset")->required();
  command
      ->add_option("--to", flags->to,
                   "csv, jsonl, or native (ClickHouse) [csv]")
      ->type_name("FORMAT");
  command
      ->add_option("--table", flags->table,
                   "links, gaps, hops, link_scans or gap_scans")
      ->type_name("TABLE");
  command
      ->add_option("-o,--output", flags->output,
                   "file to write [standard output]")
      ->type_name("FILE");
  command->callback([flags, &exit_code] {
    const absl::Status status = Convert(*flags);
    if (!status.ok()) exit_code = Report(status);
  });
}

}  // namespace fathom
