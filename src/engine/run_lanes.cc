#include "src/engine/run_lanes.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace fathom {
namespace {

// How often the thread that watches over the lanes looks at them.
constexpr Nanos kWatch = std::chrono::milliseconds(50);

// Where waiting moves the clock, an hour may pass in a moment, or a moment take
// an hour: there every so many turns, and at least once a second of that clock.
constexpr int kTurnsPerWatch = 1024;
constexpr Nanos kLongestWatch = std::chrono::seconds(1);

// Keeps the calling thread to one processor.
void PinTo(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(processor), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

class Run {
 public:
  Run(const Backend& backend, std::span<const std::unique_ptr<Lane>> lanes,
      const RunOptions& options)
      : backend_(backend),
        lanes_(lanes),
        options_(options),
        start_(options.start.value_or(backend.Now())),
        watched_(backend.Now()) {}

  RunOutcome OnThreads();
  RunOutcome InTurns();

 private:
  // Notes why sending must end, if it must.
  bool MustStop();
  // Notes trouble, if there is any.
  bool InTrouble();
  // Tells of progress, and hands out the rate.
  void Watch(bool cooling_down);
  // Likewise, but only as often as is good where one thread does everything.
  void WatchNowAndThen(bool cooling_down);
  // Shares the rate among the lanes that have something to send.
  void DealRate(uint64_t pps);
  // Has the lanes' journals hear of what comes in the cooldown.
  void HearLate() {
    for (const auto& lane : lanes_) lane->HearLate();
  }
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
  uint64_t dealt_pps_ = 0;
  size_t dealt_lanes_ = 0;
  Instant watched_;
  int turns_ = 0;
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
  } else if (options_.losing()) {
    outcome_.end = ScanEnd::kLosing;
  }
  return outcome_.end != ScanEnd::kDone;
}

void Run::Watch(bool cooling_down) {
  options_.progress(cooling_down);
  DealRate(options_.pps());
}

void Run::DealRate(uint64_t pps) {
  std::vector<Lane*> sending;
  for (const auto& lane : lanes_) {
    if (!lane->sending_done()) sending.push_back(lane.get());
  }
  if (pps == dealt_pps_ && sending.size() == dealt_lanes_) return;
  dealt_pps_ = pps;
  dealt_lanes_ = sending.size();
  for (size_t i = 0; i < sending.size(); ++i) {
    const uint64_t share = pps / sending.size() + (i < pps % sending.size());
    sending[i]->SetRate(std::max<uint64_t>(1, share));
  }
}

RunOutcome Run::OnThreads() {
  std::vector<std::jthread> receivers, senders;
  size_t started = 0;
  const auto start = [this, &started](auto& threads, auto work) {
    const std::vector<int>& all = options_.processors;
    const int processor = all.empty() ? -1 : all[started++ % all.size()];
    threads.emplace_back([work, processor](const std::stop_token& stop) {
      if (processor >= 0) PinTo(processor);
      work(stop);
    });
  };
  for (const auto& lane : lanes_) {
    start(senders, [&lane](const std::stop_token& s) { lane->SendAll(s); });
    start(receivers, [&lane](const std::stop_token& s) { lane->HearAll(s); });
  }
  while (!SendingDone() && !MustStop()) {
    Watch(false);
    std::this_thread::sleep_for(kWatch);
  }
  senders.clear();  // Asks each to stop and waits for it.
  EndSending();
  const Instant end = outcome_.sending_end + options_.cooldown;
  while (!InTrouble() && backend_.Now() < end) {
    Watch(true);
    HearLate();
    std::this_thread::sleep_for(std::min(kWatch, end - backend_.Now()));
  }
  for (const auto& lane : lanes_) lane->FinishJournal();
  Watch(true);
  return outcome_;
}

void Run::WatchNowAndThen(bool cooling_down) {
  const Nanos passed = backend_.Now() - watched_;
  const bool due = backend_.one_thread()
                       ? ++turns_ == kTurnsPerWatch || passed >= kLongestWatch
                       : passed >= kWatch;
  if (!due) return;
  turns_ = 0;
  watched_ = backend_.Now();
  Watch(cooling_down);
}

RunOutcome Run::InTurns() {
  if (!options_.processors.empty()) PinTo(options_.processors.front());
  const auto take_turns = [&](bool stop, Nanos patience) {
    for (const auto& lane : lanes_) lane->TakeTurn(stop, patience);
    WatchNowAndThen(stop);
  };
  while (!SendingDone() && !MustStop()) take_turns(false, kWatch);
  for (const auto& lane : lanes_) lane->Drain();
  EndSending();
  const Instant end = outcome_.sending_end + options_.cooldown;
  while (!InTrouble() && backend_.Now() < end) {
    take_turns(true, end - backend_.Now());
    HearLate();
  }
  for (const auto& lane : lanes_) lane->FinishJournal();
  Watch(true);
  return outcome_;
}

}  // namespace

RunOutcome RunLanes(const Backend& backend,
                    std::span<const std::unique_ptr<Lane>> lanes,
                    const RunOptions& options) {
  Run run(backend, lanes, options);
  return backend.one_thread() || options.in_turns ? run.InTurns()
                                                  : run.OnThreads();
}

}  // namespace fathom
