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
  // Takes a token of `router`, of which one comes back in `token` and there
  // are never more than `burst`; false if there is none.
  // REQUIRES: token > 0, burst > 0, the same for a router each time.
  bool Allow(uint32_t router, Nanos token, uint32_t burst, Instant now) {
    const Nanos time = now.time_since_epoch();
    Nanos& full = full_.try_emplace(router, time).first->second;
    const Nanos after = std::max(full, time) + token;
    if (after - time > token * burst) return false;
    full = after;
    return true;
  }

  size_t routers() const { return full_.size(); }

 private:
  absl::flat_hash_map<uint32_t, Nanos> full_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_RATE_LIMITER_H_
