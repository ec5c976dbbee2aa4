#ifndef FATHOM_SRC_ENGINE_FEEDBACK_H_
#define FATHOM_SRC_ENGINE_FEEDBACK_H_

#include <array>
#include <cstddef>
#include <span>

#include "fathom/reply_sink.h"
#include "src/base/counter.h"
#include "src/base/spsc_ring.h"

namespace fathom {

// Carries replies from the receiver's thread back to the strategy's. Drops
// when full: every strategy must bear lost replies anyway, and links are never
// made from here.
class Feedback final : public ReplySink {
 public:
  // Receiver thread.
  void Consume(Instant /*now*/, std::span<const Reply> replies) override {
    for (const Reply& reply : replies) {
      if (!ring_.Push(Reply(reply))) dropped_.Add(1);
    }
  }

  // The replies since the last call, at most a batch. Sender thread.
  std::span<const Reply> Take() {
    return std::span(batch_).first(ring_.Pop(batch_));
  }

  const Counter& dropped() const { return dropped_; }

 private:
  static constexpr size_t kRing = 16 * 1024;  // 1 MiB: 64 bytes a reply.
  static constexpr size_t kBatch = 256;

  SpscRing<Reply> ring_{kRing};
  std::array<Reply, kBatch> batch_;
  Counter dropped_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_FEEDBACK_H_
