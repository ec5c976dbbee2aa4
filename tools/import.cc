// fathom import: makes a dataset of what other tools found.

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/import/import_dataset.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/summary.h"

namespace fathom {
namespace {

std::string FormatsHelp() {
  std::string help = "Formats, also packed by gzip or zstd:";
  for (const found::FoundFormat& format : ImportFormats()) {
    absl::StrAppendFormat(&help, "\n  %-12s%s", format.name, format.help);
  }
  return help;
}

int Import(const ImportOptions& options) {
  const auto record = ImportDataset(options);
  if (!record.ok()) return Report(record.status());
  std::fputs(Summarize(record->manifest, options.dataset).c_str(), stdout);
  for (const ImportedFile& file : record->files) {
    if (file.cut_short.empty()) continue;
    std::fprintf(stderr, "fathom: %s; kept what stands before\n",
                 file.cut_short.c_str());
  }
  if (record->other_family != 0) {
    std::fprintf(stderr,
                 "fathom: left out %llu replies of the other family of "
                 "addresses, since a dataset holds one\n",
                 static_cast<unsigned long long>(record->other_family));
  }
  return record->is_whole() ? kExitDone : kExitIncomplete;
}

}  // namespace

void AddImport(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("import", "Make a dataset of what other tools found");
  const auto options = std::make_shared<ImportOptions>();
  command->add_option("FILES", options->files, "results; - is standard input")
      ->required();
  command
      ->add_option("--from", options->format,
                   "their format, see below [by how they begin]")
      ->type_name("FORMAT");
  command
      ->add_option("-o,--output", options->dataset,
                   "directory of the dataset to make")
      ->type_name("NAME")
      ->required();
  command
      ->add_option("--vantage", options->vantage,
                   "who probed, for the manifest")
      ->type_name("NAME");
  command->footer(FormatsHelp());
  command->callback([options, &exit_code] { exit_code = Import(*options); });
}

}  // namespace fathom
