#include "src/engine/feedback.h"

#include <algorithm>
#include <utility>

#include "src/schedule/targets.h"

namespace fathom {

Feedback::Inlet::Inlet(size_t lanes, size_t ring) {
  for (size_t lane = 0; lane < lanes; ++lane) rings_.emplace_back(ring);
}

void Feedback::Inlet::Consume(Instant /*now*/, std::span<const Reply> replies) {
  for (Reply reply : replies) {
    const size_t lane = LaneOf(reply.probe.target, rings_.size());
    // Lent by the packet, which is gone before the strategy's turn comes.
    reply.extensions = {};
    if (!rings_[lane].Push(std::move(reply))) dropped_.Add(1);
  }
}

Feedback::Feedback(size_t lanes) : outlets_(lanes) {
  const size_t ring = std::max(kSmallestRing, kRing / lanes);
  for (size_t i = 0; i < lanes; ++i) inlets_.emplace_back(lanes, ring);
}

std::span<const Reply> Feedback::Take(size_t lane) {
  Outlet& outlet = outlets_[lane];
  const std::span<Reply> batch = outlet.batch;
  size_t count = 0;
  for (size_t i = 0; i < inlets_.size() && count < batch.size(); ++i) {
    Inlet& inlet = inlets_[(outlet.next + i) % inlets_.size()];
    count += inlet.ring(lane).Pop(batch.subspan(count));
  }
  ++outlet.next;
  return batch.first(count);
}

uint64_t Feedback::dropped() const {
  uint64_t sum = 0;
  for (const Inlet& inlet : inlets_) sum += inlet.dropped().value();
  return sum;
}

}  // namespace fathom
