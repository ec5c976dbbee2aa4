// fathom scan: probes the targets and writes a dataset.

#include "src/engine/scan.h"

#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/engine/finish.h"
#include "src/net/special_purpose.h"
#include "src/schedule/exclusions.h"
#include "src/schedule/permutation.h"
#include "src/schedule/targets.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/quantity.h"
#include "tools/scan_options.h"
#include "tools/scan_resume.h"
#include "tools/status_line.h"
#include "tools/status_log.h"
#include "tools/summary.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// What is to be scanned, and what must not be.
struct ScanInput {
  LoadedTargets loaded;
  Exclusions exclusions;
  PrefixSet forbidden;  // Exclusions, and special-purpose unless asked for.
  Shard shard;
};

// `before`: what was forbidden when the scan began, if that was before. By that
// its targets were chosen.
absl::StatusOr<ScanInput> LoadInput(const ScanFlags& flags,
                                    const ScanOptions& options,
                                    const PrefixSet* before) {
  ScanInput input;
  input.shard = options.shard;
  FATHOM_ASSIGN_OR_RETURN(input.exclusions, LoadExclusions(flags.exclude));
  FATHOM_ASSIGN_OR_RETURN(TargetOptions targets,
                          ToTargetOptions(flags, options.seed));
  targets.exclusions = &input.exclusions.set;
  if (before != nullptr) {
    targets.exclusions = before;
    targets.include_special = true;
  }
  FATHOM_ASSIGN_OR_RETURN(input.loaded, LoadTargets(targets));
  if (input.shard.count > 1) {
    input.loaded.targets =
        Deal(input.loaded.targets, input.shard.index, input.shard.count);
  }
  input.forbidden =
      flags.include_special
          ? input.exclusions.set
          : PrefixSet::Union(input.exclusions.set, SpecialPurposeSet());
  return input;
}

Json DescribeFile(const AddressFileSummary& file) {
  return {{"path", file.path},
          {"bytes", file.bytes},
          {"lines", file.counts.lines},
          {"xxh3", absl::StrFormat("%016x", file.xxh3)}};
}

Json DescribeTargets(const ScanInput& input) {
  const TargetCounts& counts = input.loaded.counts;
  return {{"file", DescribeFile(input.loaded.file)},
          {"family",
           input.loaded.targets.family() == Family::kIpv4 ? "ipv4" : "ipv6"},
          {"addresses", input.loaded.file.counts.addresses},
          {"prefixes", input.loaded.file.counts.prefixes},
          {"chosen", counts.chosen},
          {"duplicates", counts.duplicates},
          {"excluded", counts.excluded},
          {"special", counts.special},
          {"probed", input.loaded.targets.size()}};
}

// What the manifest says of how the scan was meant.
std::string Configuration(const ScanFlags& flags, const ScanOptions& options,
                          const ScanInput& input) {
  Json exclusions = Json::array();
  for (const AddressFileSummary& file : input.exclusions.files) {
    exclusions.push_back(DescribeFile(file));
  }
  const auto seconds = [](Nanos time) {
    return std::chrono::duration<double>(time).count();
  };
  const Json configuration = {
      {"targets", DescribeTargets(input)},
      {"exclusions", std::move(exclusions)},
      {"special_purpose",
       flags.include_special
           ? Json("included")
           : Json(absl::StrCat("excluded as of ", kSpecialPurposeAsOf))},
      {"per_prefix", flags.per_prefix},
      {"granularity", flags.granularity},
      {"shard", {{"index", input.shard.index}, {"count", input.shard.count}}},
      {"backend", flags.backend},
      {"interface", flags.interface},
      {"source", flags.source},
      {"gateway", flags.gateway},
      {"gateway_mac", flags.gateway_mac},
      {"strategy", options.strategy},
      {"protocol", options.protocol},
      {"pps", options.pps},
      {"min_ttl", options.min_ttl.value()},
      {"max_ttl", options.max_ttl.value()},
      {"probes_per_ttl", options.probes},
      {"fill", options.fill.value()},
      {"neighborhood", options.neighborhood.value()},
      {"router_pps", options.router_pps},
      {"repair_rounds", options.repair},
      {"verify_times", options.verify},
      {"confidence", options.confidence},
      {"prefix_probes", options.prefix_probes},
      {"min_yield", options.min_yield},
      {"seed", options.seed},
      {"permutation", kPermutationName},
      {"cooldown_s", seconds(options.cooldown)},
      {"max_runtime_s", seconds(options.max_runtime)},
      {"lanes", flags.lanes},
      {"pin", flags.pin},
      {"vantage", flags.vantage},
      {"on_loss", flags.on_loss},
      {"loss_limit", options.loss_limit},
      {"contact", options.contact}};
  return configuration.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void PrintHead(const ScanFlags& flags, const ScanOptions& options,
               const ScanInput& input, const ScanPlan& plan) {
  const TargetCounts& counts = input.loaded.counts;
  std::fprintf(
      stderr, "%s",
      absl::StrFormat(
          "fathom " FATHOM_VERSION
          ": %d %s targets (%d duplicates, %d excluded, "
          "%d special-purpose left out), TTL %d to %d, seed %d\n"
          "%s%s %s probes at %sp/s: about %s, %sB\n",
          input.loaded.targets.size(),
          input.loaded.targets.family() == Family::kIpv4 ? "IPv4" : "IPv6",
          counts.duplicates, counts.excluded, counts.special,
          options.min_ttl.value(), options.max_ttl.value(), options.seed,
          plan.exact ? "" : "About ",
          FormatQuantity(static_cast<double>(plan.probes)), options.protocol,
          FormatQuantity(static_cast<double>(options.pps)),
          FormatDuration(plan.duration),
          FormatQuantity(static_cast<double>(plan.bytes)))
          .c_str());
  std::fprintf(
      stderr, "Special-purpose addresses are %s (registry of %s); %s\n",
      flags.include_special ? "included" : "left out", kSpecialPurposeAsOf,
      flags.exclude.empty() ? "no exclusion list is given (--exclude FILE)"
                            : "the exclusion lists are loaded");
}

int DryRun(const ScanFlags& flags, const ScanOptions& options,
           const ScanInput& input, const ScanPlan& plan) {
  if (flags.json) {
    const Json json = {
        {"probes", plan.probes},
        {"exact", plan.exact},
        {"bytes", plan.bytes},
        {"seconds", std::chrono::duration<double>(plan.duration).count()},
        {"configuration", Json::parse(Configuration(flags, options, input))}};
    std::printf("%s\n", json.dump(2).c_str());
    return kExitDone;
  }
  std::printf(
      "%s",
      absl::StrFormat(
          "Would send %s%d probes to %d targets, %d bytes on an Ethernet "
          "wire,\n"
          "for %s at %d probes a second, cooldown included. Nothing was "
          "sent.\n",
          plan.exact ? "" : "about ", plan.probes, input.loaded.targets.size(),
          plan.bytes, FormatDuration(plan.duration), options.pps)
          .c_str());
  if (options.repair > 0 || options.verify > 0) {
    std::printf("The second look (--repair, --verify) adds to that.\n");
  }
  return kExitDone;
}

int ExitCodeOf(const ScanResult& result) {
  switch (result.end) {
    case ScanEnd::kTrouble:
      return kExitFailed;
    case ScanEnd::kInterrupted:
      return kExitInterrupted;
    case ScanEnd::kTimeLimit:
    case ScanEnd::kLosing:
      return kExitIncomplete;
    case ScanEnd::kDone:
    case ScanEnd::kRecovered:
      break;
  }
  // A twentieth of the replies lost before they were read is too much to call
  // the result complete.
  const uint64_t heard =
      result.counts.verdicts[static_cast<size_t>(Verdict::kReply)];
  const BackendCounters& backend = result.counts.backend;
  const bool lossy = (backend.rx_dropped + backend.host_dropped) * 20 > heard ||
                     backend.tx_failed * 100 > result.counts.sent;
  return lossy && result.counts.sent > 0 ? kExitIncomplete : kExitDone;
}

// Errors of opening a backend are about the device, unless the user's own
// words are wrong.
int ReportDevice(const absl::Status& status) {
  const int code = Report(status);
  return absl::IsInvalidArgument(status) ? code : kExitDevice;
}

// A scan that ended early, and what can be done with what it left.
void PrintLeft(const ScanFlags& flags, const ScanResult& result) {
  const std::string partial = PartialPath(flags.output);
  const char* const end = kScanEndNames[static_cast<size_t>(result.end)];
  if (flags.json) {
    const Json json = {
        {"end", end},
        {"trouble", std::string(result.trouble.message())},
        {"probes",
         {{"planned", result.counts.planned}, {"sent", result.counts.sent}}},
        {"partial", partial}};
    std::printf("%s\n", json.dump(2).c_str());
  }
  if (flags.quiet && result.trouble.ok()) return;
  if (const auto there = CheckResumable(flags.output); !there.ok()) {
    std::fprintf(stderr, "What was heard is lost: %s\n",
                 std::string(there.message()).c_str());
    return;
  }
  std::fprintf(
      stderr,
      "Scan ended early (%s) with %lu of %lu probes sent; what was heard is in "
      "%s\n"
      "Go on with:           fathom scan --resume %s\n"
      "Or take it as it is:  fathom recover %s\n",
      end, result.counts.sent, result.counts.planned, partial.c_str(),
      flags.output.c_str(), flags.output.c_str());
}

void PrintResult(const ScanFlags& flags, const ScanResult& result) {
  if (!result.trouble.ok()) Report(result.trouble);
  if (result.manifest.empty()) {
    PrintLeft(flags, result);
  } else if (flags.json) {
    std::printf("%s\n", result.manifest.c_str());
  } else if (!flags.quiet) {
    std::fputs(Summarize(result.manifest, flags.output).c_str(), stdout);
    if (flags.verbose) {
      std::fputs(ListCounters(result.manifest).c_str(), stdout);
    }
  }
}

int RunWith(const ScanFlags& flags, ScanOptions options, const ScanInput& input,
            const BackendOptions& backend_options) {
  if (!options.resume) {
    const auto status = CheckNothingThere(options.dataset);
    if (!status.ok()) return Report(status);
  }
  const auto module = Register<BackendModule>::Find(flags.backend);
  if (!module.ok()) {
    return Report(absl::InvalidArgumentError(
        absl::StrCat("--backend ", std::string(module.status().message()))));
  }
  Interrupts interrupts;
  const auto backend = module->open(backend_options);
  if (!backend.ok()) return ReportDevice(backend.status());
  if (!flags.quiet) {
    std::fprintf(stderr, "Through %s\n", (*backend)->Describe().c_str());
  }
  options.configuration = Configuration(flags, options, input);
  StatusLine line(flags.quiet);
  std::optional<StatusLog> log;
  if (!flags.status_log.empty()) {
    auto opened = StatusLog::Open(flags.status_log);
    if (!opened.ok()) return Report(opened.status());
    log.emplace(*std::move(opened));
  }
  const auto result =
      RunScan(**backend, input.loaded.targets, input.forbidden, options,
              {.stop = interrupts.token(),
               .progress = [&](const ScanProgress& progress) {
                 line.Update(progress);
                 if (log) log->Update(progress);
               }});
  line.Finish();
  const absl::Status logged = log ? log->Finish() : absl::OkStatus();
  if (!result.ok()) return Report(result.status());
  PrintResult(flags, *result);
  // The dataset is whole; but what was asked for is not all there.
  if (!logged.ok()) return Report(logged);
  return ExitCodeOf(*result);
}

// Takes over the options of the scan that is to go on, and what was forbidden
// when it began.
absl::StatusOr<ScanRecord> TakeOver(CLI::App& command, ScanFlags& flags) {
  if (!flags.output.empty() && flags.output != flags.resume) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output ", flags.output,
                     ": a scan goes on under its name, ", flags.resume));
  }
  FATHOM_RETURN_IF_ERROR(CheckResumable(flags.resume));
  FATHOM_ASSIGN_OR_RETURN(ScanRecord record, ReadPartial(flags.resume));
  const bool named = !flags.targets.empty();
  FATHOM_RETURN_IF_ERROR(TakeOptionsFrom(record.configuration, command, flags));
  flags.output = flags.resume;
  if (!named && flags.targets == "-") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--resume ", flags.resume,
        ": its targets came from standard input; give them once more"));
  }
  return record;
}

int RunCommand(CLI::App& command, ScanFlags& flags) {
  absl::StatusOr<ScanRecord> before = ScanRecord();
  if (!flags.resume.empty()) {
    before = TakeOver(command, flags);
    if (!before.ok()) return Report(before.status());
  }
  const auto options = ToScanOptions(flags);
  if (!options.ok()) return Report(options.status());
  const auto input = LoadInput(flags, *options,
                               options->resume ? &before->forbidden : nullptr);
  if (!input.ok()) return Report(input.status());
  if (input->loaded.targets.empty()) {
    return Report(absl::InvalidArgumentError(
        absl::StrCat("--shard ", flags.shard, ": no target falls into it")));
  }
  if (options->resume) {
    const auto same = CheckSameScan(before->configuration,
                                    Configuration(flags, *options, *input));
    if (!same.ok()) return Report(same);
  }
  auto backend = ToBackendOptions(flags, input->loaded.targets.family());
  if (!backend.ok()) return Report(backend.status());
  backend->toward = input->loaded.targets[0];
  if (options->resume) {
    backend->not_before = before->stop + std::chrono::seconds(1);
  }
  constexpr size_t kEthernet = 14;
  const auto plan = PlanScan(input->loaded.targets, *options, kEthernet);
  if (!plan.ok()) return Report(plan.status());
  if (!flags.quiet) PrintHead(flags, *options, *input, *plan);
  if (flags.dry_run) return DryRun(flags, *options, *input, *plan);
  return RunWith(flags, *options, *input, *backend);
}

}  // namespace

void AddScan(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "scan", "Probe the targets in a file (- for standard input)");
  const auto flags = std::make_shared<ScanFlags>();
  DeclareScanFlags(*command, *flags);
  command->callback([command, flags, &exit_code] {
    exit_code = RunCommand(*command, *flags);
  });
}

}  // namespace fathom
