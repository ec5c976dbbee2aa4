#include "src/strategy/neighborhood.h"

#include <algorithm>

#include "src/base/hash.h"

namespace fathom {

Neighborhood::Neighborhood(Ttl first, Ttl end)
    : first_(first.value()),
      end_(end.value()),
      ttls_(end > first ? end_ - first_ + 1U : 0U),
      quiet_(ttls_),
      heard_(ttls_ * kHeard) {}

bool Neighborhood::IsKnown(unsigned ttl, uint32_t target) const {
  const Areas& quiet = quiet_[ttl - first_];
  const auto areas = AreasOf(target);
  return std::any_of(areas.begin(), areas.end(),
                     [&](size_t area) { return quiet[area] >= kClosed; });
}

bool Neighborhood::IsKnownEverywhere(unsigned ttl) const {
  return quiet_[ttl - first_][0] >= kClosed;
}

bool Neighborhood::IsNews(uint64_t key) {
  if (known_.size() >= kMaxKnown) return !known_.contains(key);
  return known_.insert(key).second;
}

Neighborhood::Heard& Neighborhood::Slot(unsigned ttl, uint32_t target) {
  return heard_[(ttl - first_) * kHeard + (Mix(target) & (kHeard - 1))];
}

uint32_t Neighborhood::RouterAt(unsigned ttl, uint32_t target) {
  if (ttl < first_ || ttl > end_) return 0;
  const Heard& heard = Slot(ttl, target);
  return heard.target == target ? heard.responder : 0;
}

void Neighborhood::Count(unsigned ttl, uint32_t target, bool news,
                         uint16_t weight) {
  Areas& quiet = quiet_[ttl - first_];
  for (const size_t area : AreasOf(target)) {
    // What is closed stays so: late replies must not open it again.
    if (quiet[area] >= kClosed) continue;
    quiet[area] = news ? 0 : static_cast<uint16_t>(quiet[area] + weight);
  }
}

void Neighborhood::Observe(const Reply& reply) {
  const unsigned ttl = reply.probe.ttl.value();
  if (ttl < first_ || ttl > end_ || !enabled()) return;
  const uint32_t target = reply.probe.target.v4();
  const uint32_t responder = reply.responder.v4();
  Heard& slot = Slot(ttl, target);
  // A repeat teaches nothing and is no sign of quiet.
  if (slot.target == target && slot.responder == responder) return;
  slot = {target, responder};
  bool news = IsNews(Derive(responder, ttl));
  const uint32_t before = RouterAt(ttl - 1, target);
  const uint32_t after = RouterAt(ttl + 1, target);
  if (before != 0 && IsNews(uint64_t{before} << 32 | responder)) {
    Count(ttl - 1, target, true, 0);
    news = true;
  }
  if (after != 0 && IsNews(uint64_t{responder} << 32 | after)) {
    Count(ttl + 1, target, true, 0);
    news = true;
  }
  Count(ttl, target, news, before != 0 || after != 0 ? kJudged : kUnjudged);
}

}  // namespace fathom
