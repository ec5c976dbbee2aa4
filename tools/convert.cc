// fathom convert: writes a dataset, or one table of it, in another format.

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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
  std::string table;
  std::string output = "-";
  std::string addresses;
};

absl::StatusOr<AddressForm> FindAddresses(const std::string& name,
                                          const FormatModule& format) {
  if (name.empty()) return AddressForm::kNative;
  if (!format.whole) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--addresses ", name, ": ", format.name, " has them one way only"));
  }
  if (name == "text") return AddressForm::kText;
  if (name == "binary") return AddressForm::kBinary;
  return absl::InvalidArgumentError(
      absl::StrCat("--addresses ", name, ": there are text and binary"));
}

// The table that is asked for: by name, or else the one that the format holds.
absl::StatusOr<Table> FindTable(const std::string& name,
                                const FormatModule& format) {
  if (name.empty()) return format.only.value_or(Table::kLinks);
  if (format.whole) {
    return absl::InvalidArgumentError(
        absl::StrCat("--table ", name, ": ", format.name, " holds them all"));
  }
  const auto* const found =
      std::find(std::begin(kTableNames), std::end(kTableNames), name);
  if (found == std::end(kTableNames)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--table ", name, ": there are ", absl::StrJoin(kTableNames, ", ")));
  }
  const auto table = static_cast<Table>(found - std::begin(kTableNames));
  if (format.only.value_or(table) == table) return table;
  return absl::InvalidArgumentError(
      absl::StrCat("--table ", name, ": ", format.name, " holds ",
                   kTableNames[static_cast<size_t>(*format.only)]));
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

bool IsOfScans(Table table) {
  return table == Table::kLinkScans || table == Table::kGapScans;
}

// Copies the table, or all for formats that hold all.
absl::Status Copy(const FormatModule& format, Table table, DatasetReader& from,
                  DatasetWriter& to) {
  if (format.whole || table == Table::kHops) {
    FATHOM_RETURN_IF_ERROR(CopyHops(from, to));
  }
  if (format.whole || table == Table::kLinks || table == Table::kGaps) {
    FATHOM_RETURN_IF_ERROR(CopyLinks(from, to));
  }
  if (format.whole ? from.several_scans() : IsOfScans(table)) {
    FATHOM_RETURN_IF_ERROR(CopyScanLinks(from, to));
  }
  return absl::OkStatus();
}

absl::Status Convert(const ConvertFlags& flags) {
  const auto format = Register<FormatModule>::Find(flags.to);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--to ", std::string(format.status().message())));
  }
  FATHOM_ASSIGN_OR_RETURN(const Table table, FindTable(flags.table, *format));
  FATHOM_ASSIGN_OR_RETURN(const AddressForm addresses,
                          FindAddresses(flags.addresses, *format));
  if (format->whole && flags.output == "-") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--to ", flags.to, " makes a directory: name it with --output"));
  }
  FATHOM_ASSIGN_OR_RETURN(const auto from, OpenDataset(flags.dataset));
  if (IsOfScans(table) && !from->several_scans()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--table ", flags.table, ": ", flags.dataset,
                     " is of one scan; only merged datasets have this table"));
  }
  FATHOM_ASSIGN_OR_RETURN(
      const auto to, format->create({.path = flags.output,
                                     .table = table,
                                     .several_scans = from->several_scans(),
                                     .manifest = from->manifest(),
                                     .addresses = addresses}));
  FATHOM_RETURN_IF_ERROR(Copy(*format, table, *from, *to));
  return to->Finish(from->manifest());
}

// What --to may be, by what is registered.
std::string FormatsHelp() {
  std::string help = "Formats:";
  for (const FormatModule& format : Register<FormatModule>::All()) {
    absl::StrAppendFormat(&help, "\n  %-12s%s", format.name, format.help);
  }
  return help;
}

}  // namespace

void AddConvert(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("convert", "Write a dataset for other tools");
  const auto flags = std::make_shared<ConvertFlags>();
  command->add_option("NAME", flags->dataset, "the dataset")->required();
  command->add_option("--to", flags->to, "see below [csv]")
      ->type_name("FORMAT");
  command
      ->add_option("--table", flags->table,
                   "links, gaps, hops, link_scans or gap_scans")
      ->type_name("TABLE");
  command
      ->add_option("-o,--output", flags->output,
                   "file to write [standard output]")
      ->type_name("FILE");
  command
      ->add_option("--addresses", flags->addresses,
                   "in parquet: text, or binary of 16 bytes [numbers]")
      ->type_name("FORM");
  command->footer(FormatsHelp());
  command->callback([flags, &exit_code] {
    const absl::Status status = Convert(*flags);
    if (!status.ok()) exit_code = Report(status);
  });
}

}  // namespace fathom
