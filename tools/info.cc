// fathom info: says what a dataset holds.

#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "fathom/dataset.h"
#include "src/base/status_macros.h"
#include "src/dataset/check_dataset.h"
#include "tools/commands.h"
#include "tools/damages.h"
#include "tools/exit_code.h"
#include "tools/summary.h"

namespace fathom {
namespace {

struct Rows {
  uint64_t links = 0;
  uint64_t gaps = 0;
  uint64_t hops = 0;
};

// Reads every row, so that what is counted is also known to be readable.
absl::StatusOr<Rows> CountRows(DatasetReader& reader) {
  Rows rows;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, reader.NextLinks());
    if (links.empty()) break;
    for (const Link& link : links) ++(link.gap == 0 ? rows.links : rows.gaps);
  }
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, reader.NextReplies());
    if (replies.empty()) return rows;
    rows.hops += replies.size();
  }
}

struct InfoFlags {
  std::string dataset;
  bool json = false;
  bool check = false;
  bool verbose = false;
};

// Says on standard error what is damaged, a line each.
int RunCheck(const std::string& dataset) {
  const DatasetCheck check = CheckDataset(dataset);
  PrintDamages(check.damages);
  if (!check.damages.empty()) {
    std::fprintf(
        stderr,
        "fathom: %s is damaged. `fathom recover %s` makes a dataset of "
        "what is left.\n",
        dataset.c_str(), dataset.c_str());
    return kExitFailed;
  }
  if (!check.sealed) {
    std::printf("Every row can be read; the manifest has no checksums.\n");
    return kExitDone;
  }
  std::printf("%s", absl::StrFormat("Whole: %d files, %d bytes, %d rows, as "
                                    "they were written.\n",
                                    check.files, check.bytes, check.rows)
                        .c_str());
  return kExitDone;
}

int RunCommand(const InfoFlags& flags) {
  if (flags.check) return RunCheck(flags.dataset);
  const auto reader = OpenDataset(flags.dataset);
  if (!reader.ok()) return Report(reader.status());
  const std::string manifest = (*reader)->manifest();
  if (flags.json) {
    std::printf("%s\n", manifest.c_str());
    return kExitDone;
  }
  const auto rows = CountRows(**reader);
  if (!rows.ok()) return Report(rows.status());
  std::fputs(Summarize(manifest, flags.dataset).c_str(), stdout);
  std::printf("%s", absl::StrFormat("Rows:      %d in links.parquet, %d in "
                                    "gaps.parquet, %d in hops.parquet\n",
                                    rows->links, rows->gaps, rows->hops)
                        .c_str());
  if (flags.verbose) std::fputs(ListCounters(manifest).c_str(), stdout);
  return kExitDone;
}

}  // namespace

void AddInfo(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("info", "Say what a dataset holds");
  const auto flags = std::make_shared<InfoFlags>();
  command->add_option("NAME", flags->dataset, "the dataset")->required();
  command->add_flag("--json", flags->json, "the manifest as it is");
  command->add_flag("--check", flags->check,
                    "hold every byte against its checksums");
  command->add_flag("-v,--verbose", flags->verbose, "all counters");
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
