#ifndef FATHOM_SRC_LAB_RATE_LIMITER_H_
#define FATHOM_SRC_LAB_RATE_LIMITER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "fathom/probe.h"

namespace fathom::lab {

// Token buckets for the routers that limit their replies.
//
// A bucket is one number, the time at which it will be full again, which says
// as much as a count of tokens and the time of the count. Only routers that
// were asked have one: about 20 bytes each.
class RateLimiter {
 public:
  // REQUIRES: rate > 0, burst > 0.
  RateLimiter(double rate, uint32_t burst)
      : token_(std::max<int64_t>(1, static_cast<int64_t>(1e9 / rate))),
        burst_(token_ * burst) {}

  // Takes a token of `router`; false if there is none.
  bool Allow(uint32_t router, Instant now) {
    const Nanos time = now.time_since_epoch();
    Nanos& full = full_.try_emplace(router, time).first->second;
    const Nanos after = std::max(full, time) + token_;
    if (after - time > burst_) return false;
    full = after;
    return true;
  }

  size_t routers() const { return full_.size(); }

 private:
  const Nanos token_;  // One token comes back in this time,
  const Nanos burst_;  // and all of them in this.
  absl::flat_hash_map<uint32_t, Nanos> full_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_RATE_LIMITER_H_
