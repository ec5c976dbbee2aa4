#include "src/strategy/limit_watch.h"

#include <algorithm>
#include <cassert>

#include "fathom/block.h"

namespace fathom {
namespace {

// A rate that holds back nothing: more than a scan may have.
constexpr double kFree = 1e9;

double Seconds(Nanos time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

LimitWatch::LimitWatch(size_t places, uint64_t router_pps)
    : router_pps_(static_cast<double>(router_pps)), places_(places) {
  assert(router_pps >= 1);
}

double LimitWatch::Cap(const Place& place) const {
  if (place.routers == kMaxRouters) return kFree;
  return router_pps_ * static_cast<double>(std::max<size_t>(1, place.routers));
}

double LimitWatch::Rate(const Place& place) const {
  const bool cap_alone = place.ignore_share || place.routers > kFewRouters;
  return cap_alone ? Cap(place) : std::min(Cap(place), place.found);
}

bool LimitWatch::May(size_t place, Instant now) {
  Place& p = places_[place];
  if (p.epoch == Instant{}) p.epoch = p.earned = now;
  // Before the bucket earns, so that no time earns at two rates.
  const double rate = Rate(p);
  if (now > p.earned) {
    p.tokens = std::min(p.tokens + rate * Seconds(now - p.earned),
                        1 + rate * Seconds(kBurst));
    p.earned = now;
  }
  if (now - p.epoch >= kEpoch && p.epoch_asked >= kLeast) EndEpoch(p, now);
  return p.tokens >= 1;
}

void LimitWatch::Asked(size_t place) {
  Place& p = places_[place];
  assert(p.tokens >= 1);
  p.tokens -= 1;
  ++p.asked;
  ++p.epoch_asked;
}

void LimitWatch::EndEpoch(Place& place, Instant now) {
  const double share =
      std::min(1.0, static_cast<double>(place.epoch_answered) /
                        static_cast<double>(place.epoch_asked));
  if (share < kShareKept * place.best) {
    place.fell = true;
    place.found = std::max(place.found / 2, kLowestRate);
  } else {
    // Not beyond the cap: what was never tried is not known to be answered.
    place.found =
        std::min(place.found * (place.fell ? 1 + 1.0 / 16 : 2), Cap(place));
  }
  // A path that changes may have other routers, so the best is forgotten.
  place.best = std::max(share, place.best * 0.995);
  place.epoch = now;
  place.epoch_asked = place.epoch_answered = 0;
}

void LimitWatch::Answered(size_t place, const IpAddress& responder) {
  Place& p = places_[place];
  ++p.answered;
  ++p.epoch_answered;
  if (p.routers == kMaxRouters) return;
  const auto end = p.seen.begin() + static_cast<ptrdiff_t>(p.routers);
  const uint32_t router = ShortNumber(responder);
  if (std::find(p.seen.begin(), end, router) != end) return;
  p.seen[p.routers++] = router;
}

LimitWatch::Estimate LimitWatch::At(size_t place) const {
  const Place& p = places_[place];
  Estimate estimate{.asked = p.asked,
                    .answered = p.answered,
                    .routers = p.routers,
                    .best_share = p.best,
                    .found_rate = p.found};
  if (p.asked > 0) {
    const double share =
        static_cast<double>(p.answered) / static_cast<double>(p.asked);
    estimate.lost = std::max(0.0, p.best - share);
  }
  return estimate;
}

}  // namespace fathom
