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
#include "src/engine/ask_again.h"
#include "src/engine/discovery.h"
#include "src/engine/finish.h"
#include "src/engine/lane.h"
#include "src/engine/manifest.h"
#include "src/engine/passes.h"
#include "src/engine/run_lanes.h"
#include "src/engine/scan_log.h"
#include "src/engine/setup.h"
#include "src/engine/spool_record.h"
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
  absl::Status OpenLanes(const StrategyModule& module);
  absl::Status OpenLane(std::unique_ptr<Strategy> strategy);
  // Gives the lanes questions to ask instead of what they did before.
  absl::Status ReopenLanes(Questions questions, int times);
  LaneCounts Total() const;
  RunOutcome RunPasses(const ScanControl& control);
  // False if nothing more is to be sent.
  bool RunSecondPass(uint32_t number, const Pass& pass,
                     const ScanControl& control, RunOutcome& outcome);
  absl::Status OpenSecondPass(uint32_t number, const Pass& pass);
  ScanRecord RecordOf(const ScanResult& result) const;
  // A lane that only hears.
  void OpenEar();
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
  std::unique_ptr<ScanLog> log_;
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
  FATHOM_ASSIGN_OR_RETURN(log_, ScanLog::Open({.options = options_,
                                               .targets = targets_,
                                               .forbidden = forbidden_,
                                               .lanes = backend_.lanes(),
                                               .start = start_}));
  const ScanCounts& before = log_->before();
  past_ = {.planned = before.planned,
           .sent = before.sent,
           .withheld = before.withheld,
           .verdicts = before.verdicts};
  second_look_ = before.second_look;
  return log_->first_pass() == 0 ? OpenLanes(strategy) : absl::OkStatus();
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
  // As it was when the scan began: what was forbidden since is withheld.
  options.allowed = [this](const IpAddress& address) {
    return !log_->forbidden().Contains(address);
  };
  for (size_t i = 0; i < backend_.lanes(); ++i) {
    FATHOM_ASSIGN_OR_RETURN(
        auto strategy,
        module.make(dealt_.empty() ? targets_ : dealt_[i], options));
    FATHOM_RETURN_IF_ERROR(OpenLane(std::move(strategy)));
  }
  return absl::OkStatus();
}

absl::Status Scan::OpenLane(std::unique_ptr<Strategy> strategy) {
  const size_t index = lanes_.size();
  const uint64_t pps = std::max<uint64_t>(1, loss_.pps() / backend_.lanes());
  const Instant now = backend_.Now();
  FATHOM_ASSIGN_OR_RETURN(auto journal,
                          log_->Keep(std::move(strategy), index, now));
  Journal* const written = journal.get();
  lanes_.push_back(std::make_unique<Lane>(
      Lane::Parts{.backend = backend_,
                  .index = index,
                  .codec = *codec_,
                  .forbidden = forbidden_,
                  .strategy = std::move(journal),
                  .pacer = Pacer(pps, now),
                  .feedback = feedback_,
                  .sinks = {&log_->spool().inlet(index), &discovery_},
                  .journal = written,
                  .shard = options_.shard}));
  return absl::OkStatus();
}

absl::Status Scan::ReopenLanes(Questions questions, int times) {
  past_.Add(lanes_);
  lanes_.clear();
  const uint64_t seed =
      Derive(options_.seed, kSeedSecondLook + second_look_.size());
  for (auto& strategy :
       AskInLanes(std::move(questions), times, seed, backend_.lanes())) {
    FATHOM_RETURN_IF_ERROR(OpenLane(std::move(strategy)));
  }
  return absl::OkStatus();
}

void Scan::OpenEar() {
  const size_t index = lanes_.size();
  lanes_.push_back(std::make_unique<Lane>(
      Lane::Parts{.backend = backend_,
                  .index = index,
                  .codec = *codec_,
                  .forbidden = forbidden_,
                  .strategy = std::make_unique<AskAgain>(Questions(), 0, 0),
                  .pacer = Pacer(1, backend_.Now()),
                  .feedback = feedback_,
                  .sinks = {&log_->spool().inlet(index), &discovery_},
                  .shard = options_.shard}));
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
                        .spool_lost = log_->spool().counters().lost,
                        .cooling_down = cooling_down};
  if (loss_.pps() < options_.pps) progress.slowed_to = loss_.pps();
  const LaneCounts total = Total();
  progress.planned = total.planned;
  progress.sent = total.sent;
  constexpr auto kHeard = static_cast<size_t>(Verdict::kReply);
  progress.replies = total.verdicts[kHeard];
  progress.sent_before = log_->before().sent;
  progress.replies_before = log_->before().verdicts[kHeard];
  return progress;
}

ScanCounts Scan::Counts() const {
  const LaneCounts total = Total();
  ScanCounts counts = {.planned = total.planned,
                       .sent = total.sent,
                       .withheld = total.withheld,
                       .feedback_dropped = feedback_.dropped(),
                       .spool_lost = log_->spool().counters().lost,
                       .verdicts = total.verdicts,
                       .backend = backend_.counters(),
                       .lowest_pps = loss_.lowest_pps(),
                       .lossy_windows = loss_.lossy_windows(),
                       .second_look = second_look_};
  log_->AddRunsBefore(counts);
  return counts;
}

void Scan::Watch(const ScanControl& control, bool cooling_down) {
  const ScanProgress progress = Progress(cooling_down && !settling_);
  loss_.Update(progress.now, Total().packets, progress.dropped);
  log_->Note(progress.now, cooling_down, [this] { return Counts(); });
  if (control.progress) control.progress(progress);
}

RunOptions Scan::OptionsOfRun(const ScanControl& control, Nanos cooldown) {
  return {.cooldown = cooldown,
          .max_runtime = options_.max_runtime,
          .start = start_,
          .stop = control.stop,
          .in_turns = lanes_.size() == 1 && OneProcessor(options_.processors),
          .processors = options_.processors,
          .health = [this] { return log_->spool().status(); },
          .pps = [this] { return loss_.pps(); },
          .losing = [this] { return loss_.must_stop(); },
          .progress = [this, &control](
                          bool cooling_down) { Watch(control, cooling_down); }};
}

absl::Status Scan::OpenSecondPass(uint32_t number, const Pass& pass) {
  const Instant now = backend_.Now();
  FATHOM_RETURN_IF_ERROR(log_->spool().Flush(now));
  log_->BeginPass(number, now, Counts());
  FATHOM_ASSIGN_OR_RETURN(const auto spool, log_->ReadBeside(now));
  FATHOM_ASSIGN_OR_RETURN(Look look, pass.look(*spool, pass.options));
  const uint64_t planned = Total().planned;
  FATHOM_RETURN_IF_ERROR(ReopenLanes(std::move(look.questions), pass.times));
  second_look_.push_back({.name = pass.name,
                          .planned = Total().planned - planned,
                          .left_out = look.left_out});
  return absl::OkStatus();
}

bool Scan::RunSecondPass(uint32_t number, const Pass& pass,
                         const ScanControl& control, RunOutcome& outcome) {
  const uint64_t sent =
      number == log_->first_pass() ? log_->sent_before_pass() : Total().sent;
  const absl::Status opened = OpenSecondPass(number, pass);
  if (!opened.ok()) {
    outcome.end = ScanEnd::kTrouble;
    outcome.trouble.Update(opened);
    return false;
  }
  PassCounts& counts = second_look_.back();
  if (counts.planned == 0) return true;
  const Nanos settle = std::min(options_.cooldown, kSettle);
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
  RunOutcome outcome;
  if (log_->first_pass() == 0) {
    outcome = RunLanes(backend_, lanes_, OptionsOfRun(control, settle));
  } else {
    outcome.sending_end = start_;
  }
  bool more = outcome.end == ScanEnd::kDone;
  for (uint32_t i = 0; i < passes.size(); ++i) {
    if (i + 1 < log_->first_pass()) continue;
    if (more) more = RunSecondPass(i + 1, passes[i], control, outcome);
  }
  settling_ = false;
  if (!outcome.trouble.ok()) return outcome;
  // There may still be late replies; nothing more is sent.
  past_.Add(lanes_);
  lanes_.clear();
  for (size_t i = 0; i < backend_.lanes(); ++i) OpenEar();
  const RunOutcome heard = RunLanes(
      backend_, lanes_, OptionsOfRun(control, options_.cooldown - settle));
  if (!heard.trouble.ok()) {
    outcome.end = heard.end;
    outcome.trouble = heard.trouble;
  }
  return outcome;
}

ScanRecord Scan::RecordOf(const ScanResult& result) const {
  return {.end = result.end,
          .trouble = std::string(result.trouble.message()),
          .configuration = log_->configuration(),
          .verify = options_.verify > 0,
          .start = result.start,
          .sending_end = result.sending_end,
          .stop = result.stop,
          .counts = result.counts,
          .vantage = options_.vantage,
          .shard = options_.shard,
          .resumed = result.resumed};
}

absl::StatusOr<ScanResult> Scan::Run(const ScanControl& control) {
  const RunOutcome outcome = RunPasses(control);
  ScanResult result{.end = outcome.end,
                    .trouble = outcome.trouble,
                    .start = log_->scan_start(),
                    .sending_end = outcome.sending_end,
                    .stop = backend_.Now(),
                    .counts = Counts(),
                    .resumed = log_->resumed()};
  const absl::Status closed =
      log_->spool().Close(result.stop, MakeSpoolSummary(RecordOf(result)));
  if (!closed.ok()) {
    result.end = ScanEnd::kTrouble;
    result.trouble.Update(closed);
  }
  // Closing may have lost replies to a failing disk.
  result.counts = Counts();
  ScanRecord record = RecordOf(result);
  log_.reset();
  // What ended early may go on.
  if (result.end != ScanEnd::kDone) return result;
  const absl::Status finished =
      FinishDataset(options_.dataset, record, options_.finish_memory);
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
  FATHOM_RETURN_IF_ERROR(options.resume ? CheckResumable(options.dataset)
                                        : CheckNothingThere(options.dataset));
  if (!targets.empty() && targets.family() != backend.source().family()) {
    const bool ipv4 = targets.family() == Family::kIpv4;
    return absl::InvalidArgumentError(absl::StrCat(
        "the targets are ", ipv4 ? "IPv4" : "IPv6",
        ", but probes would leave from ", backend.source().ToString()));
  }
  Scan scan(backend, targets, forbidden, options);
  if (const absl::Status opened = scan.Open(); !opened.ok()) {
    if (options.resume) return opened;
    // Nothing has been heard, so nothing is lost.
    std::error_code ignored;
    std::filesystem::remove_all(PartialPath(options.dataset), ignored);
    return opened;
  }
  return scan.Run(control);
}

}  // namespace fathom
