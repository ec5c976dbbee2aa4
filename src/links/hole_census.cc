#include "src/links/hole_census.h"

#include <algorithm>

#include "src/base/hash.h"

namespace fathom {
namespace {

uint64_t HashOf(const IpAddress& address) {
  return Derive(address.high(), address.low());
}

bool Joined(const Link& a, const Link& b) {
  return a.far == b.near && a.min_ttl.value() + a.gap + 1 == b.min_ttl.value();
}

}  // namespace

HoleCounts::AtTtl HoleCounts::Total() const {
  AtTtl total;
  for (const AtTtl& ttl : ttls) {
    total.answered += ttl.answered;
    total.lost += ttl.lost;
    total.silent += ttl.silent;
  }
  return total;
}

uint64_t PlacesExpected(uint64_t replies) {
  return std::clamp<uint64_t>(replies, 1 << 16, uint64_t{1} << 27);
}

uint64_t PlaceKey(const IpAddress& router, int distance) {
  // The upper 56 bits are what a census keeps.
  return Derive(HashOf(router), static_cast<uint64_t>(distance)) &
         ~uint64_t{0xff};
}

uint64_t PlaceIn(const Link& gap, int ttl) {
  return PlaceKey(gap.far, gap.min_ttl.value() + gap.gap + 1 - ttl);
}

void KnownPlaces::Add(std::span<const Link> path) {
  for (size_t j = 0; j < path.size(); ++j) {
    const int far = path[j].min_ttl.value() + path[j].gap + 1;
    for (size_t i = j;; --i) {
      const int distance = far - path[i].min_ttl.value();
      if (distance > kMaxGap) break;
      places_.Add(PlaceKey(path[j].far, distance));
      if (i == 0 || !Joined(path[i - 1], path[i])) break;
    }
  }
}

void HoleCensus::Add(std::span<const Link> path) {
  known_.Add(path);
  for (size_t i = 0; i < path.size(); ++i) {
    const Link& link = path[i];
    const int ttl = link.min_ttl.value();
    if (i == 0 || !Joined(path[i - 1], link)) ++counts_.ttls[ttl].answered;
    ++counts_.ttls[ttl + link.gap + 1].answered;
    if (link.gap > kMaxGap) continue;
    for (int place = 1; place <= link.gap; ++place) {
      AddHole(PlaceIn(link, ttl + place), static_cast<uint8_t>(ttl + place));
    }
  }
}

void HoleCensus::AddHole(uint64_t place, uint8_t ttl) {
  if (halvings_ > 0 && (place >> (64 - halvings_)) != 0) return;
  holes_.push_back(place | ttl);
  while (holes_.size() >= max_holes_ && halvings_ < 32) Thin();
}

void HoleCensus::Thin() {
  ++halvings_;
  std::erase_if(
      holes_, [this](uint64_t hole) { return hole >> (64 - halvings_) != 0; });
}

HoleCounts HoleCensus::Finish() {
  for (const uint64_t hole : holes_) {
    HoleCounts::AtTtl& ttl = counts_.ttls[hole & 0xff];
    const bool lost = known_.Has(hole & ~uint64_t{0xff});
    (lost ? ttl.lost : ttl.silent) += uint64_t{1} << halvings_;
  }
  return counts_;
}

}  // namespace fathom
