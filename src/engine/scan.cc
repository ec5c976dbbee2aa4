#include "src/engine/scan.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/engine/discovery.h"
#include "src/engine/finish.h"
#include "src/engine/lane.h"
#include "src/engine/manifest.h"
#include "src/engine/passes.h"
#include "src/engine/run_lanes.h"
#include "src/engine/setup.h"
#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"
#include "src/schedule/targets.h"

namespace fathom {
namespace {

// A scan while it runs: the parts, and what joins them.
class Scan {
 public:
  Scan(Backend& backend, const TargetSet& targets, const PrefixSet& forbidden,
       const ScanOptions& options)
      : backend_(backend),
        targets_(targets),
        forbidden_(forbidden),
        options_(options),
        feedback_(backend.lanes()),
        discovery_(Cells()),
        loss_({.pps = options.pps,
               .on_loss = options.on_loss,
               .limit = options.loss_limit}) {}

  absl::Status Open();
  absl::StatusOr<ScanResult> Run(const ScanControl& control);

 private:
  // How many pairs of a target and a TTL there are.
  uint64_t Cells() const {
    return targets_.size() *
           (options_.max_ttl.value() - options_.min_ttl.value() + 1U);
  }
  absl::Status OpenCodec(uint16_t flows);
  absl::Status OpenSpool();
  absl::Status OpenLanes(const StrategyModule& module);
  void OpenLane(std::unique_ptr<Strategy> strategy);
  // Gives the lanes questions to ask instead of what they did before.
  void ReopenLanes(Questions questions, int times);
  LaneCounts Total() const;
  RunOutcome RunPasses(const ScanControl& control);
  // False if nothing more is to be sent.
  bool RunSecondPass(const Pass& pass, const ScanControl& control,
                     RunOutcome& outcome);
  absl::StatusOr<Look> TakeLook(const Pass& pass);
  ScanProgress Progress(bool cooling_down) const;
  void Watch(const ScanControl& control, bool cooling_down);
  RunOptions OptionsOfRun(const ScanControl& control, Nanos cooldown);
  ScanCounts Counts() const;

  Backend& backend_;
  const TargetSet& targets_;
  const PrefixSet& forbidden_;
  const ScanOptions& options_;
  std::vector<TargetSet> dealt_;  // Empty if one lane has all targets.
  Feedback feedback_;
  Discovery discovery_;
  LossWatch loss_;
  Instant start_;
  std::unique_ptr<ProbeCodec> codec_;
  std::unique_ptr<ReplySpool> spool_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  LaneCounts past_;  // Of the passes before this one.
  std::vector<PassCounts> second_look_;
  bool settling_ = false;  // The cooldown of this pass is not the scan's.
};

absl::Status Scan::Open() {
  if (options_.pps < backend_.lanes() || options_.pps > Pacer::kMaxRate) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a rate of ", options_.pps, " probes a second; it must be ",
        backend_.lanes(), " to ", Pacer::kMaxRate));
  }
  start_ = backend_.Now();
  FATHOM_ASSIGN_OR_RETURN(const StrategyModule strategy,
                          Register<StrategyModule>::Find(options_.strategy));
  FATHOM_RETURN_IF_ERROR(OpenCodec(strategy.flows));
  FATHOM_RETURN_IF_ERROR(OpenSpool());
  return OpenLanes(strategy);
}

absl::Status Scan::OpenCodec(uint16_t flows) {
  CodecOptions options = CodecOptionsOf(options_, flows);
  options.source = backend_.source();
  options.link_header = backend_.link_header();
  FATHOM_ASSIGN_OR_RETURN(const CodecModule codec,
                          Register<CodecModule>::Find(options_.protocol));
  FATHOM_ASSIGN_OR_RETURN(codec_, codec.make(options));
  return absl::OkStatus();
}

absl::Status Scan::OpenLanes(const StrategyModule& module) {
  if (backend_.lanes() > 1) dealt_ = DealToLanes(targets_, backend_.lanes());
  StrategyOptions options = StrategyOptionsOf(options_);
  // All lanes meet the same routers, so they share what these can bear.
  if (options.router_pps > 0) {
    options.router_pps =
        std::max<uint64_t>(1, options.router_pps / backend_.lanes());
  }
  options.allowed = [this](const IpAddress& address) {
    return !forbidden_.Contains(address);
  };
  for (size_t i = 0; i < backend_.lanes(); ++i) {
    FATHOM_ASSIGN_OR_RETURN(
        auto strategy,
        module.make(dealt_.empty() ? targets_ : dealt_[i], options));
    OpenLane(std::move(strategy));
  }
  return absl::OkStatus();
}

absl::Status Scan::OpenSpool() {
  std::error_code error;
  std::filesystem::create_directory(PartialPath(options_.dataset), error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(),
        absl::StrCat("make directory ", PartialPath(options_.dataset)));
  }
  const SpoolOptions options =
      SpoolOptionsOf(options_, targets_, backend_.lanes(), start_);
  FATHOM_ASSIGN_OR_RETURN(
      spool_, ReplySpool::Create(SpoolPath(options_.dataset), options));
  return absl::OkStatus();
}

void Scan::OpenLane(std::unique_ptr<Strategy> strategy) {
  const size_t index = lanes_.size();
  const uint64_t pps = std::max<uint64_t>(1, loss_.pps() / backend_.lanes());
  lanes_.push_back(std::make_unique<Lane>(
      Lane::Parts{.backend = backend_,
                  .index = index,
                  .codec = *codec_,
                  .forbidden = forbidden_,
                  .strategy = std::move(strategy),
                  .pacer = Pacer(pps, backend_.Now()),
                  .feedback = feedback_,
                  .sinks = {&spool_->inlet(index), &discovery_}}));
}

void Scan::ReopenLanes(Questions questions, int times) {
  past_.Add(lanes_);
  lanes_.clear();
  const uint64_t seed =
      Derive(options_.seed, kSeedSecondLook + second_look_.size());
  for (auto& strategy :
       AskInLanes(std::move(questions), times, seed, backend_.lanes())) {
    OpenLane(std::move(strategy));
  }
}

LaneCounts Scan::Total() const {
  LaneCounts total = past_;
  total.Add(lanes_);
  return total;
}

ScanProgress Scan::Progress(bool cooling_down) const {
  const BackendCounters backend = backend_.counters();
  ScanProgress progress{.start = start_,
                        .now = backend_.Now(),
                        .interfaces = discovery_.interfaces(),
                        .links = discovery_.links(),
                        .dropped = backend.rx_dropped + backend.host_dropped,
                        .queue_dropped = backend.rx_dropped,
                        .host_dropped = backend.host_dropped,
                        .unsent = backend.tx_failed,
                        .spool_lost = spool_->counters().lost,
                        .cooling_down = cooling_down};
  if (loss_.pps() < options_.pps) progress.slowed_to = loss_.pps();
  const LaneCounts total = Total();
  progress.planned = total.planned;
  progress.sent = total.sent;
  progress.replies = total.verdicts[static_cast<size_t>(Verdict::kReply)];
  return progress;
}

ScanCounts Scan::Counts() const {
  const LaneCounts total = Total();
  return {.planned = total.planned,
          .sent = total.sent,
          .withheld = total.withheld,
          .feedback_dropped = feedback_.dropped(),
          .spool_lost = spool_->counters().lost,
          .verdicts = total.verdicts,
          .backend = backend_.counters(),
          .lowest_pps = loss_.lowest_pps(),
          .lossy_windows = loss_.lossy_windows(),
          .second_look = second_look_};
}

void Scan::Watch(const ScanControl& control, bool cooling_down) {
  const ScanProgress progress = Progress(cooling_down && !settling_);
  loss_.Update(progress.now, Total().packets, progress.dropped);
  if (control.progress) control.progress(progress);
}

RunOptions Scan::OptionsOfRun(const ScanControl& control, Nanos cooldown) {
  return {.cooldown = cooldown,
          .max_runtime = options_.max_runtime,
          .start = start_,
          .stop = control.stop,
          .in_turns = lanes_.size() == 1 && OneProcessor(options_.processors),
          .processors = options_.processors,
          .health = [this] { return spool_->status(); },
          .pps = [this] { return loss_.pps(); },
          .losing = [this] { return loss_.must_stop(); },
          .progress = [this, &control](
                          bool cooling_down) { Watch(control, cooling_down); }};
}

absl::StatusOr<Look> Scan::TakeLook(const Pass& pass) {
  FATHOM_RETURN_IF_ERROR(spool_->Flush(backend_.Now()));
  FATHOM_ASSIGN_OR_RETURN(const auto spool,
                          SpoolReader::OpenBeside(SpoolPath(options_.dataset)));
  return pass.look(*spool, pass.options);
}

bool Scan::RunSecondPass(const Pass& pass, const ScanControl& control,
                         RunOutcome& outcome) {
  auto look = TakeLook(pass);
  if (!look.ok()) {
    outcome.end = ScanEnd::kTrouble;
    outcome.trouble.Update(look.status());
    return false;
  }
  ReopenLanes(std::move(look->questions), pass.times);
  second_look_.push_back({.name = pass.name, .left_out = look->left_out});
  const Nanos settle = std::min(options_.cooldown, kSettle);
  const uint64_t sent = past_.sent;
  PassCounts& counts = second_look_.back();
  counts.planned = Total().planned - past_.planned;
  if (counts.planned == 0) return true;
  outcome = RunLanes(backend_, lanes_, OptionsOfRun(control, settle));
  counts.sent = Total().sent - sent;
  return outcome.end == ScanEnd::kDone;
}

RunOutcome Scan::RunPasses(const ScanControl& control) {
  const std::vector<Pass> passes = SecondLook(options_);
  const Nanos settle = std::min(options_.cooldown, kSettle);
  if (passes.empty()) {
    return RunLanes(backend_, lanes_, OptionsOfRun(control, options_.cooldown));
  }
  settling_ = true;
  RunOutcome outcome =
      RunLanes(backend_, lanes_, OptionsOfRun(control, settle));
  bool more = outcome.end == ScanEnd::kDone;
  for (const Pass& pass : passes) {
    if (more) more = RunSecondPass(pass, control, outcome);
  }
  settling_ = false;
  if (!outcome.trouble.ok()) return outcome;
  // There may still be late replies; nothing more is sent.
  ReopenLanes({}, 0);
  const RunOutcome heard = RunLanes(
      backend_, lanes_, OptionsOfRun(control, options_.cooldown - settle));
  if (!heard.trouble.ok()) {
    outcome.end = heard.end;
    outcome.trouble = heard.trouble;
  }
  return outcome;
}

absl::StatusOr<ScanResult> Scan::Run(const ScanControl& control) {
  const RunOutcome outcome = RunPasses(control);
  ScanResult result{.end = outcome.end,
                    .trouble = outcome.trouble,
                    .start = start_,
                    .sending_end = outcome.sending_end,
                    .stop = backend_.Now()};
  ScanRecord record{.end = result.end,
                    .trouble = std::string(result.trouble.message()),
                    .configuration = options_.configuration,
                    .verify = options_.verify > 0,
                    .start = result.start,
                    .sending_end = result.sending_end,
                    .stop = result.stop,
                    .counts = Counts()};
  const absl::Status closed =
      spool_->Close(result.stop, MakeSpoolSummary(record));
  if (!closed.ok()) {
    result.end = record.end = ScanEnd::kTrouble;
    result.trouble.Update(closed);
    record.trouble = std::string(result.trouble.message());
  }
  // Closing may have lost replies to a failing disk.
  result.counts = Counts();
  record.counts = result.counts;
  spool_.reset();
  const absl::Status finished = FinishDataset(options_.dataset, record);
  if (!finished.ok()) {
    return absl::Status(
        finished.code(),
        absl::StrCat(std::string(finished.message()), "; what was heard is in ",
                     SpoolPath(options_.dataset), ", \"fathom recover ",
                     options_.dataset, "\" makes the dataset of it"));
  }
  result.links = record.links;
  result.manifest = MakeManifest(record);
  return result;
}

}  // namespace

absl::StatusOr<ScanResult> RunScan(Backend& backend, const TargetSet& targets,
                                   const PrefixSet& forbidden,
                                   const ScanOptions& options,
                                   const ScanControl& control) {
  FATHOM_RETURN_IF_ERROR(CheckNothingThere(options.dataset));
  if (!targets.empty() && targets.family() != backend.source().family()) {
    const bool ipv4 = targets.family() == Family::kIpv4;
    return absl::InvalidArgumentError(absl::StrCat(
        "the targets are ", ipv4 ? "IPv4" : "IPv6",
        ", but probes would leave from ", backend.source().ToString()));
  }
  Scan scan(backend, targets, forbidden, options);
  if (const absl::Status opened = scan.Open(); !opened.ok()) {
    // Nothing has been heard, so nothing is lost.
    std::error_code ignored;
    std::filesystem::remove_all(PartialPath(options.dataset), ignored);
    return opened;
  }
  return scan.Run(control);
}

absl::StatusOr<ScanPlan> PlanScan(const TargetSet& targets,
                                  const ScanOptions& options,
                                  size_t link_header) {
  FATHOM_ASSIGN_OR_RETURN(const StrategyModule strategy_module,
                          Register<StrategyModule>::Find(options.strategy));
  FATHOM_ASSIGN_OR_RETURN(
      const auto strategy,
      strategy_module.make(targets, StrategyOptionsOf(options)));
  FATHOM_ASSIGN_OR_RETURN(const CodecModule codec_module,
                          Register<CodecModule>::Find(options.protocol));
  CodecOptions codec_options = CodecOptionsOf(options, strategy_module.flows);
  // Any; sizes are the same for all.
  codec_options.source = targets.family() == Family::kIpv4
                             ? IpAddress::V4(0)
                             : IpAddress::V6(0, 1);
  FATHOM_ASSIGN_OR_RETURN(const auto codec, codec_module.make(codec_options));
  const uint64_t probes = strategy->planned();
  const double seconds =
      static_cast<double>(probes) / static_cast<double>(options.pps);
  return ScanPlan{.probes = probes,
                  .exact = !strategy->observes(),
                  .bytes = probes * (codec->probe_size() + link_header),
                  .duration = options.cooldown +
                              std::chrono::duration_cast<Nanos>(
                                  std::chrono::duration<double>(seconds))};
}

}  // namespace fathom
