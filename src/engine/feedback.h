#ifndef FATHOM_SRC_ENGINE_FEEDBACK_H_
#define FATHOM_SRC_ENGINE_FEEDBACK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "fathom/reply_sink.h"
#include "src/base/counter.h"
#include "src/base/spsc_ring.h"

namespace fathom {

// Carries replies from the receivers' threads back to the strategies'. Any
// receiver may hear of any target, so each has a ring to each lane: every ring
// has one writer and one reader, and nobody waits.
//
// A full ring drops: every strategy must bear lost replies anyway, and links
// are never made from here. Memory: 1.3 MiB a lane, 80 KiB a ring at least.
class Feedback {
 public:
  explicit Feedback(size_t lanes);

  // What the receiver of a lane tells. Used by that receiver's thread.
  ReplySink& sink(size_t receiver) { return inlets_[receiver]; }

  // Replies to the probes of a lane since the last call, at most a batch.
  // Valid until the next call for that lane. Used by that lane's sender.
  std::span<const Reply> Take(size_t lane);

  // Any thread.
  uint64_t dropped() const;

 private:
  static constexpr size_t kRing = 16 * 1024;  // For all receivers of a lane.
  static constexpr size_t kSmallestRing = 1024;
  static constexpr size_t kBatch = 256;

  class Inlet final : public ReplySink {
   public:
    Inlet(size_t lanes, size_t ring);
    void Consume(Instant now, std::span<const Reply> replies) override;

    SpscRing<Reply>& ring(size_t lane) { return rings_[lane]; }
    const Counter& dropped() const { return dropped_; }

   private:
    std::deque<SpscRing<Reply>> rings_;  // One to each lane.
    Counter dropped_;
  };

  struct Outlet {
    std::array<Reply, kBatch> batch;
    size_t next = 0;  // The receiver to begin with.
  };

  std::deque<Inlet> inlets_;
  std::deque<Outlet> outlets_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_FEEDBACK_H_
