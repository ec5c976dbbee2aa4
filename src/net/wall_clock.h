#ifndef FATHOM_SRC_NET_WALL_CLOCK_H_
#define FATHOM_SRC_NET_WALL_CLOCK_H_

#include <ctime>

#include "fathom/probe.h"

namespace fathom {

// The time of day, but one that never goes back and is never set: the
// monotonic clock, anchored once to CLOCK_REALTIME. Any thread may ask.
class WallClock {
 public:
  WallClock() : anchor_(Read(CLOCK_REALTIME) - Read(CLOCK_MONOTONIC)) {}

  Instant Now() const { return Instant(Read(CLOCK_MONOTONIC) + anchor_); }

  // A reading of CLOCK_MONOTONIC on this clock.
  Instant FromMonotonic(Nanos reading) const {
    return Instant(reading + anchor_);
  }

  // What must be added to a reading of CLOCK_REALTIME, such as a time stamp of
  // the kernel, to put it on this clock. That clock may be set at any time, so
  // the answer is good for the packets at hand only.
  Nanos OffsetOfRealtime() const {
    const Nanos before = Read(CLOCK_MONOTONIC);
    const Nanos realtime = Read(CLOCK_REALTIME);
    const Nanos after = Read(CLOCK_MONOTONIC);
    return before + (after - before) / 2 + anchor_ - realtime;
  }

  static Nanos ToNanos(const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + Nanos(time.tv_nsec);
  }

 private:
  static Nanos Read(clockid_t clock) {
    timespec now = {};
    clock_gettime(clock, &now);
    return ToNanos(now);
  }

  const Nanos anchor_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_NET_WALL_CLOCK_H_
