// fathom merge: makes one dataset of several.

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/merge/merge_datasets.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/summary.h"

namespace fathom {
namespace {

struct MergeFlags {
  std::vector<std::string> datasets;
  std::string output;
  bool partial = false;
  bool quiet = false;
};

int RunCommand(const MergeFlags& flags) {
  const Interrupts interrupts("");
  const auto summary = MergeDatasets(
      {.inputs = flags.datasets,
       .output = flags.output,
       .partial = flags.partial,
       .on_progress = [&](uint64_t) {
         return interrupts.token().stop_requested()
                    ? absl::CancelledError("interrupted; nothing was written")
                    : absl::OkStatus();
       }});
  if (!summary.ok()) {
    const int code = Report(summary.status());
    return absl::IsCancelled(summary.status())
               ? static_cast<int>(kExitInterrupted)
               : code;
  }
  if (flags.quiet) return kExitDone;
  std::fputs(Summarize(summary->manifest, flags.output).c_str(), stdout);
  std::fputs(absl::StrFormat("Rows:      %d in links.parquet, %d in "
                             "gaps.parquet, %d in hops.parquet\n",
                             summary->links, summary->gaps, summary->hops)
                 .c_str(),
             stdout);
  return kExitDone;
}

}  // namespace

void AddMerge(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("merge", "Join shards, rounds or vantage points");
  const auto flags = std::make_shared<MergeFlags>();
  command->add_option("NAME", flags->datasets, "the datasets")->required();
  command->add_option("-o,--output", flags->output, "dataset to make")
      ->required()
      ->type_name("NAME");
  command->add_flag("--partial", flags->partial, "shards may be missing");
  command->add_flag("-q,--quiet", flags->quiet, "say nothing but errors");
  command->footer(
      "Shards of one scan become that scan; several scans stay apart: hops "
      "have a\ncolumn scan, link_scans says what each saw of each link. The "
      "order of the\ndatasets does not matter, and what was merged can be "
      "merged again.");
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
