#include "src/strategy/neighborhood.h"

#include <algorithm>

#include "fathom/block.h"
#include "src/base/hash.h"

namespace fathom {

Neighborhood::Neighborhood(Ttl first, Ttl end)
    : first_(first.value()),
      end_(end.value()),
      ttls_(end > first ? end_ - first_ + 1U : 0U),
      quiet_(ttls_),
      heard_(ttls_ * kHeard) {}

Neighborhood::Place::Place(const IpAddress& address)
    : number(ShortNumber(address)) {
  if (address.family() == Family::kIpv4) {
    areas = {0, 1 + (number >> 24), 257 + (number >> 20)};
  } else {
    areas = {0, 1 + (Mix(address.high() >> 44) & 255),
             257 + (Mix(address.high() >> 36) & 4095)};
  }
}

bool Neighborhood::IsKnown(unsigned ttl, const IpAddress& target) const {
  const Areas& quiet = quiet_[ttl - first_];
  const auto areas = Place(target).areas;
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

void Neighborhood::Count(unsigned ttl, const Place& place, bool news,
                         uint16_t weight) {
  Areas& quiet = quiet_[ttl - first_];
  for (const size_t area : place.areas) {
    // What is closed stays so: late replies must not open it again.
    if (quiet[area] >= kClosed) continue;
    quiet[area] = news ? 0 : static_cast<uint16_t>(quiet[area] + weight);
  }
}

void Neighborhood::Observe(const Reply& reply) {
  const unsigned ttl = reply.probe.ttl.value();
  if (ttl < first_ || ttl > end_ || !enabled()) return;
  const Place place(reply.probe.target);
  const uint32_t target = place.number;
  const uint32_t responder = ShortNumber(reply.responder);
  Heard& slot = Slot(ttl, target);
  // A repeat teaches nothing and is no sign of quiet.
  if (slot.target == target && slot.responder == responder) return;
  slot = {target, responder};
  bool news = IsNews(Derive(responder, ttl));
  const uint32_t before = RouterAt(ttl - 1, target);
  const uint32_t after = RouterAt(ttl + 1, target);
  if (before != 0 && IsNews(uint64_t{before} << 32 | responder)) {
    Count(ttl - 1, place, true, 0);
    news = true;
  }
  if (after != 0 && IsNews(uint64_t{responder} << 32 | after)) {
    Count(ttl + 1, place, true, 0);
    news = true;
  }
  Count(ttl, place, news, before != 0 || after != 0 ? kJudged : kUnjudged);
}

}  // namespace fathom
