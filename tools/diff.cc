// fathom diff: says which links and interfaces came, went or stayed.

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status_macros.h"
#include "src/merge/change_writers.h"
#include "src/merge/diff_datasets.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

struct DiffFlags {
  std::string a;
  std::string b;
  std::string output;
  std::string to;
  std::string table = "links";
  bool common_targets = false;
  bool json = false;
};

class NoRows final : public ChangeSink {
 public:
  absl::Status TakeLink(const ChangedRow&) override { return absl::OkStatus(); }
  absl::Status TakeInterface(const ChangedRow&) override {
    return absl::OkStatus();
  }
};

// Null if only the summary is wanted.
absl::StatusOr<std::unique_ptr<ChangeWriter>> MakeWriter(
    const DiffFlags& flags) {
  if (flags.table != "links" && flags.table != "interfaces") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--table ", flags.table, ": there are links and interfaces"));
  }
  const std::string text = flags.output.empty() ? "-" : flags.output;
  if (flags.to == "csv" || flags.to == "jsonl") {
    return CreateChangeText(
        text, flags.to == "csv" ? ChangeText::kCsv : ChangeText::kJsonLines,
        flags.table == "interfaces");
  }
  if (!flags.to.empty() && flags.to != "parquet") {
    return absl::InvalidArgumentError(
        absl::StrCat("--to ", flags.to, ": there are csv, jsonl and parquet"));
  }
  if (!flags.output.empty()) return CreateChangeTables(flags.output);
  if (!flags.to.empty()) {
    return absl::InvalidArgumentError("--to parquet: name a directory with -o");
  }
  return nullptr;
}

Json ToJson(const ChangeCounts& counts) {
  return {{"came", counts[0]}, {"went", counts[1]}, {"stayed", counts[2]}};
}

Json ToJson(const DiffFlags& flags, const DiffSummary& summary) {
  return {{"format", "fathom diff 1"},
          {"a", flags.a},
          {"b", flags.b},
          {"common_targets_only", flags.common_targets},
          {"targets",
           {{"a_only", summary.targets_a},
            {"b_only", summary.targets_b},
            {"common", summary.targets_common}}},
          {"links",
           {{"trusted", ToJson(summary.trusted)},
            {"doubtful", ToJson(summary.doubtful)}}},
          {"interfaces", ToJson(summary.interfaces)}};
}

std::string Summarize(const DiffFlags& flags, const DiffSummary& summary) {
  std::string out = absl::StrFormat(
      "From %s to %s%s:\n\n%-16s %12s %12s %12s\n", flags.a, flags.b,
      flags.common_targets ? ", by the targets that answered in both" : "", "",
      "came", "went", "stayed");
  const auto line = [&out](const char* name, const ChangeCounts& counts) {
    absl::StrAppendFormat(&out, "%-16s %12d %12d %12d\n", name, counts[0],
                          counts[1], counts[2]);
  };
  line("trusted links", summary.trusted);
  line("doubtful links", summary.doubtful);
  line("interfaces", summary.interfaces);
  absl::StrAppendFormat(
      &out,
      "\nTargets that answered: %d in both, %d in the first only, %d in "
      "the second only.\n",
      summary.targets_common, summary.targets_a, summary.targets_b);
  if (!flags.common_targets && summary.targets_a + summary.targets_b != 0) {
    out +=
        "What only those showed counts as gone or new; --common-targets leaves "
        "them out.\n";
  }
  return out;
}

absl::Status RunCommand(const DiffFlags& flags) {
  const Interrupts interrupts("");
  FATHOM_ASSIGN_OR_RETURN(const auto writer, MakeWriter(flags));
  NoRows no_rows;
  ChangeSink& sink =
      writer == nullptr ? static_cast<ChangeSink&>(no_rows) : *writer;
  FATHOM_ASSIGN_OR_RETURN(
      const DiffSummary summary,
      DiffDatasets({.a = flags.a,
                    .b = flags.b,
                    .common_targets = flags.common_targets,
                    .on_progress =
                        [&] {
                          return interrupts.token().stop_requested()
                                     ? absl::CancelledError("interrupted")
                                     : absl::OkStatus();
                        }},
                   sink));
  const std::string json =
      ToJson(flags, summary)
          .dump(2, ' ', false, Json::error_handler_t::replace);
  if (writer != nullptr) FATHOM_RETURN_IF_ERROR(writer->Finish(json));
  // Rows on standard output leave no room for a summary.
  const bool rows_shown = writer != nullptr && flags.output.empty();
  if (rows_shown || flags.output == "-") return absl::OkStatus();
  std::printf("%s", flags.json ? (json + "\n").c_str()
                               : Summarize(flags, summary).c_str());
  return absl::OkStatus();
}

}  // namespace

void AddDiff(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("diff", "Say what links came, went and stayed");
  const auto flags = std::make_shared<DiffFlags>();
  command->add_option("A", flags->a, "the earlier dataset")->required();
  command->add_option("B", flags->b, "the later dataset")->required();
  command->add_flag("--common-targets", flags->common_targets,
                    "only targets that answered in both");
  command->add_flag("--json", flags->json, "the summary as JSON");
  command
      ->add_option("-o,--output", flags->output,
                   "directory for the rows as Parquet, or file")
      ->type_name("NAME");
  command->add_option("--to", flags->to, "rows as csv, jsonl or parquet")
      ->type_name("FORMAT");
  command
      ->add_option("--table", flags->table,
                   "links or interfaces as text [links]")
      ->type_name("TABLE");
  command->footer(
      "Without -o and --to there is a summary only. A link is trusted if "
      "nothing speaks\nagainst it in any dataset that has it.");
  command->callback([flags, &exit_code] {
    const absl::Status status = RunCommand(*flags);
    if (status.ok()) return;
    const int code = Report(status);
    exit_code =
        absl::IsCancelled(status) ? static_cast<int>(kExitInterrupted) : code;
  });
}

}  // namespace fathom
