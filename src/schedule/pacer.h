#ifndef FATHOM_SRC_SCHEDULE_PACER_H_
#define FATHOM_SRC_SCHEDULE_PACER_H_

#include <cstdint>

#include "fathom/probe.h"

namespace fathom {

// A Pacer says how many probes may go now, so that a lane keeps to its rate.
// It is the only source of that permission.
//
// It is a token bucket on time that is handed in. Credit grows with the clock
// and is kept in integers, billionths of a probe, so no rate drifts however
// long the scan. Lateness up to kMakeUp is made up, so the mean rate holds on
// a busy machine; what was missed in a longer stall is lost, so a laptop that
// wakes from sleep does not flood. In any window of t seconds at most
// rate * t + burst() probes go.
//
// To sleep rather than spin, send what Allowed() allows and wait until
// NextDue(): probes go in quanta of about half a millisecond's worth, so there
// are at most 2,000 waits a second, at any rate.
//
// One thread.
class Pacer {
 public:
  static constexpr uint64_t kMaxRate = 1'000'000'000;
  static constexpr Nanos kMakeUp = std::chrono::milliseconds(50);

  // The first quantum may go at `start`.
  // REQUIRES: 1 <= rate <= kMaxRate, in probes a second.
  Pacer(uint64_t rate, Instant start);

  // How many probes may go at `now`. A clock that goes back stands still.
  uint64_t Allowed(Instant now);

  // Takes note that `count` probes went.
  // REQUIRES: count <= what Allowed() last returned, less what was taken since.
  void Take(uint64_t count);

  // When a whole quantum may go: `now` or later.
  Instant NextDue(Instant now);

  uint64_t rate() const { return rate_; }
  uint64_t quantum() const { return quantum_; }

  // The most that may go at once.
  uint64_t burst() const { return max_credit_ / kProbe; }

 private:
  // A probe's worth of credit; a nanosecond earns rate_ of it.
  static constexpr uint64_t kProbe = 1'000'000'000;

  void Earn(Instant now);

  uint64_t rate_;
  uint64_t quantum_;
  uint64_t max_credit_;
  uint64_t credit_;
  Instant last_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_PACER_H_
