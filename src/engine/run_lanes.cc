#include "src/engine/run_lanes.h"

#include <algorithm>
#include <thread>
#include <vector>

namespace fathom {
namespace {

// How often the thread that watches over the lanes looks at them.
constexpr Nanos kWatch = std::chrono::milliseconds(50);

// A run takes many turns in that time where one thread takes them.
constexpr int kTurnsPerWatch = 1024;

class Run {
 public:
  Run(const Backend& backend, std::span<const std::unique_ptr<Lane>> lanes,
      const RunOptions& options)
      : backend_(backend),
        lanes_(lanes),
        options_(options),
        start_(backend.Now()) {}

  RunOutcome OnThreads();
  RunOutcome InTurns();

 private:
  // Notes why sending must end, if it must.
  bool MustStop();
  // Notes trouble, if there is any.
  bool InTrouble();
  // Notes that nothing more will be sent.
  void EndSending() { outcome_.sending_end = backend_.Now(); }
  bool SendingDone() const {
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [](const auto& lane) { return lane->sending_done(); });
  }

  const Backend& backend_;
  const std::span<const std::unique_ptr<Lane>> lanes_;
  const RunOptions& options_;
  const Instant start_;
  RunOutcome outcome_;
};

bool Run::InTrouble() {
  outcome_.trouble.Update(options_.health());
  for (const auto& lane : lanes_) outcome_.trouble.Update(lane->trouble());
  if (outcome_.trouble.ok()) return false;
  outcome_.end = ScanEnd::kTrouble;
  return true;
}

bool Run::MustStop() {
  if (InTrouble()) return true;
  if (options_.stop.stop_requested()) {
    outcome_.end = ScanEnd::kInterrupted;
  } else if (options_.max_runtime > Nanos(0) &&
             backend_.Now() - start_ >= options_.max_runtime) {
    outcome_.end = ScanEnd::kTimeLimit;
  }
  return outcome_.end != ScanEnd::kDone;
}

RunOutcome Run::OnThreads() {
  std::vector<std::jthread> receivers, senders;
  for (const auto& lane : lanes_) {
    receivers.emplace_back(
        [&lane](const std::stop_token& stop) { lane->HearAll(stop); });
    senders.emplace_back(
        [&lane](const std::stop_token& stop) { lane->SendAll(stop); });
  }
  while (!SendingDone() && !MustStop()) {
    options_.progress(false);
    std::this_thread::sleep_for(kWatch);
  }
  senders.clear();  // Asks each to stop and waits for it.
  EndSending();
  const Instant end = outcome_.sending_end + options_.cooldown;
  while (!InTrouble() && backend_.Now() < end) {
    options_.progress(true);
    std::this_thread::sleep_for(std::min(kWatch, end - backend_.Now()));
  }
  return outcome_;
}

RunOutcome Run::InTurns() {
  int turns = 0;
  const auto take_turns = [&](bool stop, Nanos patience) {
    for (const auto& lane : lanes_) lane->TakeTurn(stop, patience);
    if (++turns % kTurnsPerWatch == 0) options_.progress(stop);
  };
  while (!SendingDone() && !MustStop()) take_turns(false, kWatch);
  EndSending();
  const Instant end = outcome_.sending_end + options_.cooldown;
  while (!InTrouble() && backend_.Now() < end) {
    take_turns(true, end - backend_.Now());
  }
  return outcome_;
}

}  // namespace

RunOutcome RunLanes(const Backend& backend,
                    std::span<const std::unique_ptr<Lane>> lanes,
                    const RunOptions& options) {
  Run run(backend, lanes, options);
  return backend.one_thread() ? run.InTurns() : run.OnThreads();
}

}  // namespace fathom
