#include "src/strategy/traces.h"

#include <algorithm>

#include "fathom/block.h"
#include "src/base/hash.h"

namespace fathom {
namespace {

// Neighbours that share at most so many bits less than the nearest count as
// near.
constexpr int kAboutAsNear = 3;

TtlSet Heard(const Trace& trace) { return TtlSet{trace.heard} << trace.low; }

TtlSet Silent(const Trace& trace) {
  const TtlSet heard = Heard(trace);
  TtlSet asked = (TtlBit(trace.high) << 1) - TtlBit(trace.low);
  // What lies behind the end says nothing.
  if (trace.reached) asked &= (TtlBit(HighestTtl(heard)) << 1) - 1;
  return asked & ~heard;
}

}  // namespace

SpreadOrder::SpreadOrder(size_t size, uint64_t seed)
    : size_(size), digits_(size < 2 ? 0 : std::bit_width(size - 1)) {
  places_ = size == 0 ? 0 : uint64_t{1} << digits_;
  shift_ = Mix(seed) & (places_ - 1);
}

std::optional<size_t> SpreadOrder::operator()(uint64_t place) const {
  uint64_t reversed = 0;
  for (int i = 0; i < digits_; ++i) {
    reversed = reversed << 1 | (place >> i & 1);
  }
  const uint64_t index = reversed ^ shift_;
  if (index >= size_) return std::nullopt;
  return index;
}

size_t SpreadOrder::Stride(size_t index) const {
  const uint64_t reversed = index ^ shift_;
  if (reversed == 0) return std::max<size_t>(1, places_ / 2);
  return size_t{1} << std::countr_zero(reversed);
}

std::span<const Traces::Neighbour> Traces::Neighbours(size_t index,
                                                      Room& room) const {
  const size_t stride = order_.Stride(index);
  const IpAddress self = targets_[index];
  size_t count = 0;
  for (int apart = 1; apart <= kEachSide; ++apart) {
    for (const size_t other :
         {index - apart * stride, index + apart * stride}) {
      // Also where the subtraction wrapped.
      if (other >= traces_.size() || !traces_[other].begun) continue;
      const int shared = SharedBits(self, targets_[other]);
      if (shared >= kLeastShared) room[count++] = {&traces_[other], shared};
    }
  }
  return std::span(room).first(count);
}

void Traces::Finish(size_t index, const Path& path) {
  Trace& trace = traces_[index];
  const int low = LowestTtl(path.asked);
  trace.low = static_cast<uint32_t>(low) & 63;
  // What `heard` has no bits for is left off.
  trace.high =
      static_cast<uint32_t>(std::min(HighestTtl(path.asked), low + 31)) & 63;
  trace.heard = static_cast<uint32_t>(path.answered >> low);
  trace.branch = static_cast<uint32_t>(path.branch) & 63;
  trace.reached = path.reached;
  trace.finished = true;
  // Also those that are under way have made routers known.
  Room room;
  int nearest = 0;
  for (const Neighbour& each : Neighbours(index, room)) {
    nearest = std::max(nearest, each.shared);
  }
  trace.shared = static_cast<uint32_t>(nearest) & 63;
}

Vicinity Traces::Around(size_t index) const {
  Room room;
  Room finished;
  size_t count = 0;
  int nearest = 0;
  for (const Neighbour& each : Neighbours(index, room)) {
    if (!each.trace->finished) continue;
    finished[count++] = each;
    nearest = std::max(nearest, each.shared);
  }
  Vicinity vicinity;
  if (count == 0) return vicinity;
  vicinity.known = true;
  FindBranch(std::span(finished).first(count), nearest, vicinity);
  FindEnds(std::span(finished).first(count), nearest, vicinity);
  return vicinity;
}

// A neighbour that left the path of a third at some TTL, and shares no more
// bits with that one than with the target: the target will leave no earlier.
void Traces::FindBranch(std::span<const Neighbour> neighbours, int nearest,
                        Vicinity& vicinity) {
  int best = 0;
  for (const Neighbour& each : neighbours) {
    const int shared = static_cast<int>(each.trace->shared);
    if (each.trace->branch == 0 || shared == 0 || each.shared < shared) {
      continue;
    }
    const int branch = static_cast<int>(each.trace->branch);
    best = std::max(best, shared);
    vicinity.agreeing = branch > vicinity.branch
                            ? 1
                            : vicinity.agreeing + (branch == vicinity.branch);
    vicinity.branch = std::max(vicinity.branch, branch);
  }
  vicinity.tight = best != 0 && best >= nearest - kAboutAsNear;
}

void Traces::FindEnds(std::span<const Neighbour> neighbours, int nearest,
                      Vicinity& vicinity) {
  int sum = 0;
  int ended = 0;
  TtlSet silent = 0;
  TtlSet twice = 0;
  for (const Neighbour& each : neighbours) {
    if (each.shared < nearest - kAboutAsNear) continue;
    const TtlSet heard = Heard(*each.trace);
    twice |= silent & Silent(*each.trace);
    silent |= Silent(*each.trace);
    vicinity.heard |= heard;
    const int end = HighestTtl(heard);
    ++vicinity.near;
    vicinity.live += end > vicinity.branch ? 1 : 0;
    vicinity.latest = std::max(vicinity.latest, end);
    sum += end;
    ended += end != 0 ? 1 : 0;
  }
  vicinity.end = ended == 0 ? 0 : (sum + ended - 1) / ended;
  vicinity.quiet = twice & ~vicinity.heard;
  vicinity.silent = silent & ~vicinity.heard & ~vicinity.quiet;
}

}  // namespace fathom
