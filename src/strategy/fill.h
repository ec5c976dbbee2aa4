#ifndef FATHOM_SRC_STRATEGY_FILL_H_
#define FATHOM_SRC_STRATEGY_FILL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "fathom/probe.h"
#include "fathom/targets.h"

namespace fathom {

// Fill goes on where a sweep ends: a router that answers at the last TTL of the
// sweep or beyond is not the end of its path, so the next TTL is asked too, at
// once, and so on to the first silence, the target, or the last TTL there is.
//
// One silent router does not end it (Yarrp's fill ends there, and one router in
// five is silent, or the reply was lost): after a hop at h, h + 2 is asked as
// well, but only kPatience later and only if nothing was heard that says the
// path ends at h + 1. So TTL t is asked if and only if a hop was heard at t - 1
// or t - 2, once, and never past what is known to be the end.
//
// Memory: a bit for each target and TTL beyond the sweep's, and a list of at
// most kMaxWaiting. What would not fit on it is not asked, as if the reply that
// called for it had been lost.
class Fill {
 public:
  static constexpr Nanos kPatience = std::chrono::milliseconds(500);
  static constexpr size_t kMaxWaiting = size_t{1} << 17;

  // Asks TTLs above `last` and up to `limit`; none if limit <= last.
  Fill(const TargetSet& targets, Ttl last, Ttl limit);

  bool enabled() const { return ttls_ > 0; }

  // Learns from a reply to a probe of the sweep or of this.
  void Observe(const Reply& reply);

  // Writes probes that are due into `out` and returns how many.
  size_t Next(Instant now, std::span<Probe> out);

  // Whether nothing is waiting to be asked.
  bool idle() const { return soon_.empty() && later_.empty(); }

  // How many were asked.
  uint64_t asked() const { return asked_; }

 private:
  struct Waiting {
    Instant due;
    uint32_t target;  // Its index.
    uint8_t ttl;
  };

  // Notes that the TTL is to be asked; at once, or not before `due`.
  void Ask(std::deque<Waiting>& list, const Waiting& what);
  // Writes those of a list that are due and were not asked in the meantime.
  size_t TakeDue(std::deque<Waiting>& list, Instant now, std::span<Probe> out);
  void EndAt(size_t target, unsigned ttl);
  size_t Bit(size_t target, unsigned ttl) const {
    return target * ttls_ + ttl - last_ - 1;
  }

  const TargetSet& targets_;
  const unsigned last_;
  const unsigned ttls_;      // Beyond `last_`.
  std::vector<bool> taken_;  // Asked, or past the end.
  std::deque<Waiting> soon_;
  std::deque<Waiting> later_;  // In order of `due`.
  uint64_t asked_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_FILL_H_
