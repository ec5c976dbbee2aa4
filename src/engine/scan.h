#ifndef FATHOM_SRC_ENGINE_SCAN_H_
#define FATHOM_SRC_ENGINE_SCAN_H_

#include <array>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "fathom/probe.h"
#include "fathom/probe_codec.h"
#include "fathom/targets.h"
#include "src/engine/loss_watch.h"
#include "src/links/build_dataset.h"
#include "src/links/link_builder.h"
#include "src/net/prefix_set.h"
#include "src/schedule/targets.h"

namespace fathom {

// The front door of the library: one scan, from targets to a dataset.
//
// Replies go to a spool in NAME.partial while the scan runs; once all is sent
// and heard the spool becomes the dataset NAME and is removed. A scan that ends
// before that, be it killed, leaves the spool: with ScanOptions::resume it goes
// on, and RecoverDataset() (src/engine/finish.h) makes the dataset of what it
// has.

struct ScanOptions {
  std::string dataset{};  // The directory to make. Nothing may be there yet.
  // Go on with the scan that left NAME.partial. Targets and options must be
  // those that it had; only rate, cooldown, limits and what else decides no
  // probe may differ, and more may be forbidden.
  bool resume = false;
  std::string strategy = "sweep";
  std::string protocol = "icmp";
  uint64_t pps = 1000;  // Probes a second, over all lanes.
  Ttl min_ttl{1};
  Ttl max_ttl{32};
  uint8_t probes = 1;  // To each target and TTL.
  // Refinements of the sweep, each 0 for not: see
  // src/strategy/adaptive_sweep.cc.
  Ttl fill{0};              // Beyond max_ttl, go on to here if routers answer.
  Ttl neighborhood{0};      // Below it, leave off what brings nothing new.
  uint64_t router_pps = 0;  // The most for a router near us, over all lanes.
  // The second look: see second_look.h. Rounds of asking holes again; and how
  // often to ask again what links rest on, to mark those that fail.
  uint8_t repair = 0;
  uint8_t verify = 0;
  double confidence = 0.95;       // See StrategyOptions.
  uint32_t prefix_probes = 1000;  // Likewise.
  double min_yield = 0.01;        // Likewise.
  uint64_t seed = 0;              // Of the order of probes and of their proof.
  Nanos cooldown = std::chrono::seconds(10);  // To hear late replies.
  Nanos max_runtime{0};                       // Of sending; 0 for no limit.
  OnLoss on_loss = OnLoss::kSlow;             // See loss_watch.h.
  double loss_limit = 0.01;
  // The processors that the lanes' threads keep to, in turn; empty: any.
  std::vector<int> processors{};
  uint64_t finish_memory = kBuildMemory;  // Bytes, to make the dataset.
  std::string contact{};
  std::string vantage{};  // Where the scan is made; for the manifest.
  // The targets are this part's. What answers probes of others is foreign.
  Shard shard{};
  // What the manifest says under "configuration": a JSON object.
  std::string configuration = "{}";
};

// What a running scan has done so far.
struct ScanProgress {
  Instant start{};
  Instant now{};
  uint64_t planned = 0;
  uint64_t sent = 0;
  uint64_t replies = 0;
  // Of these, by runs before this one, which `start` is of.
  uint64_t sent_before = 0;
  uint64_t replies_before = 0;
  uint64_t interfaces = 0;  // About: see src/engine/discovery.h.
  uint64_t links = 0;       // Likewise.
  // Packets lost between the device and us, and where. Then probes that never
  // left, and replies that a failing disk did not take.
  uint64_t dropped = 0;
  uint64_t queue_dropped = 0;  // By our own queues.
  uint64_t host_dropped = 0;   // Before those.
  uint64_t unsent = 0;
  uint64_t spool_lost = 0;
  uint64_t slowed_to = 0;  // The rate after losses; 0 if it is as asked for.
  bool cooling_down = false;
};

struct ScanControl {
  std::stop_token stop{};  // Ends sending; what is under way is still heard.
  // Called on the thread of RunScan() several times a second, if given.
  std::function<void(const ScanProgress&)> progress{};
};

enum class ScanEnd : uint8_t {
  kDone,
  kInterrupted,  // By ScanControl::stop.
  kTimeLimit,    // By ScanOptions::max_runtime.
  kTrouble,      // The device or the spool failed; see ScanResult::trouble.
  kRecovered,    // Killed; made of what the spool held.
  kLosing,       // By OnLoss::kStop.
};
inline constexpr const char* kScanEndNames[] = {
    "done",    "interrupted", "time limit",
    "trouble", "recovered",   "too many replies lost"};

// What a scan did after the strategy was done: see src/engine/passes.h.
struct PassCounts {
  std::string name{};    // "repair" or "verify".
  uint64_t planned = 0;  // Probes.
  uint64_t sent = 0;
  uint64_t left_out = 0;  // Cells that there was no room to ask.

  friend bool operator==(const PassCounts&, const PassCounts&) = default;
};

// That a scan went on after it had stopped, and how many probes, as far as is
// known, were sent again since answers to them may have been lost. Those are
// counted once in ScanCounts.
struct Resumption {
  Instant at{};
  uint64_t sent_again = 0;

  friend bool operator==(const Resumption&, const Resumption&) = default;
};

struct ScanCounts {
  uint64_t planned = 0;
  uint64_t sent = 0;
  uint64_t withheld = 0;          // Stopped by the last check before the wire.
  uint64_t feedback_dropped = 0;  // Replies that the strategy did not hear of.
  uint64_t spool_lost = 0;        // Replies that a failing disk did not take.
  std::array<uint64_t, kVerdicts> verdicts{};  // Received packets, by verdict.
  BackendCounters backend{};
  uint64_t lowest_pps = 0;     // To which losses made the scan slow down.
  uint64_t lossy_windows = 0;  // Seconds, about, in which too much was lost.
  std::vector<PassCounts> second_look{};
};

struct ScanResult {
  ScanEnd end = ScanEnd::kDone;
  absl::Status trouble{};
  Instant start{};
  Instant sending_end{};
  Instant stop{};
  ScanCounts counts{};
  LinkStats links{};
  std::vector<Resumption> resumed{};
  // As it stands in the dataset; empty if the scan ended early, and so can be
  // resumed.
  std::string manifest{};
};

// Scans `targets` through `backend` and, if the scan is done, makes the
// dataset. `forbidden` is checked once more just before the wire.
//
// A scan that ended otherwise leaves what it has heard in NAME.partial. A
// non-OK status means that the scan did not begin, or that no dataset could be
// made; it says what is left.
absl::StatusOr<ScanResult> RunScan(Backend& backend, const TargetSet& targets,
                                   const PrefixSet& forbidden,
                                   const ScanOptions& options,
                                   const ScanControl& control);

// What RunScan() would do. Nothing is opened, sent or written.
struct ScanPlan {
  uint64_t probes = 0;
  bool exact = true;   // False if the replies decide what is sent.
  uint64_t bytes = 0;  // On the wire, at `link_header` bytes a frame more.
  Nanos duration{};    // Of sending and cooldown.
};
absl::StatusOr<ScanPlan> PlanScan(const TargetSet& targets,
                                  const ScanOptions& options,
                                  size_t link_header);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_SCAN_H_
