// fathom convert: writes one table of a dataset as text.

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
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
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    if (name == kTableNames[static_cast<size_t>(table)]) return table;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--table ", name, ": there are links, gaps and hops"));
}

absl::Status CopyHops(DatasetReader& from, DatasetWriter& to) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, from.NextReplies());
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(to.WriteReplies(replies));
  }
}

absl::Status CopyLinks(DatasetReader& from, DatasetWriter& to) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, from.NextLinks());
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(to.WriteLinks(links));
  }
}

absl::Status Convert(const ConvertFlags& flags) {
  const auto format = Register<FormatModule>::Find(flags.to);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--to ", std::string(format.status().message())));
  }
  FATHOM_ASSIGN_OR_RETURN(const Table table, FindTable(flags.table));
  FATHOM_ASSIGN_OR_RETURN(const auto from, OpenDataset(flags.dataset));
  FATHOM_ASSIGN_OR_RETURN(
      const auto to, format->create({.path = flags.output, .table = table}));
  FATHOM_RETURN_IF_ERROR(table == Table::kHops ? CopyHops(*from, *to)
                                               : CopyLinks(*from, *to));
  return to->Finish(from->manifest());
}

}  // namespace

void AddConvert(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("convert", "Write a table of a dataset as text");
  const auto flags = std::make_shared<ConvertFlags>();
  command->add_option("NAME", flags->dataset, "the dataset")->required();
  command->add_option("--to", flags->to, "csv or jsonl [csv]")
      ->type_name("FORMAT");
  command->add_option("--table", flags->table, "links, gaps or hops [links]")
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
