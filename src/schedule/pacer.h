#ifndef FATHOM_SRC_SCHEDULE_PACER_H_
#define FATHOM_SRC_SCHEDULE_PACER_H_

#include <cstdint>

#include "fathom/probe.h"

namespace fathom {

// A Pacer says how many probes may go now, so that a lane keeps to its rate.
// It is the only source of that permission.
//
// Two token buckets on time that is handed in; both must have credit, which is
// kept in integers, billionths of a probe, so no rate drifts however long the
// scan.
//
// The one that holds the mean earns `rate`. Lateness up to kMakeUp is made up,
// so the mean holds on a busy machine; what was missed in a longer stall is
// lost, so a laptop that wakes from sleep does not flood. In any window of t
// seconds at most rate * t + burst() probes go.
//
// The one that holds evenness keeps one quantum and a quarter, so that little
// goes at once, and earns the more the later the pacer is: rate * (1 + lateness
// / kCatchUp). So a stall of four milliseconds is made up by going a tenth
// faster for a while. Only on a machine where it falls behind by more than
// kTolerated all the same, since every sleep ends late, are there larger
// batches: of a quarter of the lateness beyond that.
//
// To sleep rather than spin, send what Allowed() allows and wait until
// NextDue(): probes go in quanta of kQuantum's worth, or one by one at lower
// rates, so there are at most four thousand waits a second, at any rate. Only a
// pacer that is late by more than kLate asks for shorter waits.
//
// One thread.
class Pacer {
 public:
  static constexpr uint64_t kMaxRate = 1'000'000'000;
  static constexpr Nanos kMakeUp = std::chrono::milliseconds(50);
  static constexpr Nanos kCatchUp = std::chrono::milliseconds(40);
  static constexpr Nanos kTolerated = std::chrono::milliseconds(10);
  static constexpr Nanos kQuantum = std::chrono::microseconds(250);
  static constexpr Nanos kLate = std::chrono::milliseconds(1);

  // The first quantum may go at `start`.
  // REQUIRES: 1 <= rate <= kMaxRate, in probes a second.
  Pacer(uint64_t rate, Instant start);

  // How many probes may go at `now`. A clock that goes back stands still.
  uint64_t Allowed(Instant now);

  // Takes note that `count` probes went.
  // REQUIRES: count <= what Allowed() last returned, less what was taken since.
  void Take(uint64_t count);

  // When a whole quantum may go, or a part of one if the pacer is late: `now`
  // or later, and not before Allowed() allows something.
  Instant NextDue(Instant now);

  // From `now` on another rate. Lateness at the old one is forgotten.
  // REQUIRES: as for the constructor.
  void SetRate(uint64_t rate, Instant now);

  uint64_t rate() const { return rate_; }
  uint64_t quantum() const { return quantum_; }

  // The most that may go at once, however late.
  uint64_t batch() const { return MostEven(max_credit_) / kProbe; }

  // The most that may go beyond the rate in any window.
  uint64_t burst() const { return max_credit_ / kProbe; }

 private:
  // A probe's worth of credit; a nanosecond earns rate_ of it.
  static constexpr uint64_t kProbe = 1'000'000'000;

  void Earn(Instant now);
  // What the bucket of evenness keeps, with so much credit in the other.
  uint64_t MostEven(uint64_t credit) const;
  // What a nanosecond earns towards evenness.
  uint64_t EvenRate() const {
    return rate_ + credit_ / static_cast<uint64_t>(kCatchUp.count());
  }

  uint64_t rate_ = 0;
  uint64_t quantum_ = 0;
  uint64_t max_credit_ = 0;
  uint64_t credit_ = 0;
  uint64_t even_ = 0;
  Instant last_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_PACER_H_
