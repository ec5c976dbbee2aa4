#ifndef FATHOM_SRC_ENGINE_LANE_H_
#define FATHOM_SRC_ENGINE_LANE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/reply_sink.h"
#include "fathom/strategy.h"
#include "src/engine/feedback.h"
#include "src/engine/journal.h"
#include "src/engine/prober.h"
#include "src/engine/receiver.h"
#include "src/schedule/pacer.h"

namespace fathom {

// A lane is one queue pair of the backend, a strategy over its share of the
// targets, and the two halves that join them. Lanes share immutable things
// only: replies go from lane to lane by Feedback, through rings of two threads
// each.
//
// Where the backend allows it, SendAll() and HearAll() run on a thread each.
// Otherwise one thread calls TakeTurn(), in which waiting moves the clock.
class Lane {
 public:
  struct Parts {
    Backend& backend;
    size_t index;
    const ProbeCodec& codec;
    const PrefixSet& forbidden;
    std::unique_ptr<Strategy> strategy;
    Pacer pacer;
    Feedback& feedback;
    std::vector<ReplySink*> sinks;  // Of what the lane hears.
    // The strategy, if it is one that is written down.
    Journal* journal = nullptr;
    Shard shard{};
  };

  explicit Lane(Parts parts);

  // Sends until the strategy is done, `stop` is requested or the device is
  // lost; then waits until the frames have left.
  void SendAll(const std::stop_token& stop);

  // Hears until `stop` is requested or the device is lost.
  void HearAll(const std::stop_token& stop);

  // Sends what is due, unless `stop`, then hears until more is due, at most
  // `patience`.
  void TakeTurn(bool stop, Nanos patience);

  // Tells the journal of replies that came since sending ended.
  // REQUIRES, of this and the next: nobody is sending.
  void HearLate();

  // Ends the journal of this run.
  void FinishJournal();

  // Waits until the frames that were sent have left.
  void Drain();

  // From soon on another rate, in probes a second. Any thread.
  void SetRate(uint64_t pps) { rate_.store(pps, std::memory_order_relaxed); }

  // True once nothing more will be sent. Any thread.
  bool sending_done() const { return sending_done_.load(); }

  // OK, or why the device was lost. Any thread.
  absl::Status trouble() const;

  // How many probes the strategy means to send in all, as of its last batch.
  uint64_t planned() const { return planned_.load(std::memory_order_relaxed); }

  const Prober& prober() const { return prober_; }
  const Receiver& receiver() const { return receiver_; }

 private:
  // Sends one batch if any is due; returns how long nothing will be due.
  Nanos SendSome();
  void FinishJournalAt(Instant now);
  void Fail(const absl::Status& status);

  Parts parts_;
  std::atomic<uint64_t> planned_;
  std::atomic<uint64_t> rate_;
  Prober prober_;
  Receiver receiver_;
  std::atomic<bool> sending_done_{false};
  mutable std::mutex trouble_mutex_;
  absl::Status trouble_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_LANE_H_
