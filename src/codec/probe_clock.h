#ifndef FATHOM_SRC_CODEC_PROBE_CLOCK_H_
#define FATHOM_SRC_CODEC_PROBE_CLOCK_H_

#include <cstdint>

#include "fathom/probe.h"

namespace fathom {

// The time of sending as it fits into the first eight bytes of a probe: 26
// bits of 0.1 ms, which wrap after 1 h 51 min. The clock starts at a place
// that follows from the key of the scan, so a time that is plausible says that
// the probe is of this scan even if everything about its target was rewritten.
class ProbeClock {
 public:
  static constexpr unsigned kFineBits = 16;
  static constexpr unsigned kCoarseBits = 10;

  // No reply is expected to take longer; a later one has a damaged time.
  static constexpr Nanos kMaxRtt = std::chrono::minutes(5);

  // How old a probe may be whose time shall prove that it is ours.
  static constexpr Nanos kPlausibleAge = std::chrono::minutes(1);

  explicit ProbeClock(uint32_t offset) : offset_(offset) {}

  uint32_t Ticks(Instant time) const {
    return (static_cast<uint64_t>(time.time_since_epoch() / kTick) + offset_) &
           kMask;
  }

  // The time from the start of tick `sent` to `arrival`, up to 0.1 ms more
  // than the truth; kUnknownRtt if it would be longer than kMaxRtt.
  Nanos Since(uint32_t sent, Instant arrival) const {
    const uint32_t ticks = (Ticks(arrival) - sent) & kMask;
    const Nanos rtt = ticks * kTick + arrival.time_since_epoch() % kTick;
    return rtt <= kMaxRtt ? rtt : kUnknownRtt;
  }

  // True if a probe of this scan could carry the coarse time `coarse` when its
  // reply arrives at `arrival`. Chance passes one in a hundred.
  bool IsPlausible(uint32_t coarse, Instant arrival) const {
    const uint32_t now = Ticks(arrival) >> kFineBits;
    const uint32_t age = (now - coarse) & ((1U << kCoarseBits) - 1);
    return age * (kTick * (1 << kFineBits)) <= kPlausibleAge;
  }

 private:
  static constexpr Nanos kTick = std::chrono::microseconds(100);
  static constexpr uint32_t kMask = (1U << (kFineBits + kCoarseBits)) - 1;

  uint32_t offset_;
};

// The time as marks have it: the TTL above the ticks.
constexpr uint32_t TimeWith(Ttl ttl, uint32_t ticks) {
  return uint32_t{ttl.value()}
             << (ProbeClock::kCoarseBits + ProbeClock::kFineBits) |
         ticks;
}
constexpr Ttl TtlOf(uint32_t time) {
  return Ttl(static_cast<uint8_t>(
      time >> (ProbeClock::kCoarseBits + ProbeClock::kFineBits)));
}
constexpr uint32_t TicksOf(uint32_t time) {
  return time & (TimeWith(Ttl(1), 0) - 1);
}
constexpr uint32_t CoarseOf(uint32_t time) {
  return TicksOf(time) >> ProbeClock::kFineBits;
}

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_PROBE_CLOCK_H_
