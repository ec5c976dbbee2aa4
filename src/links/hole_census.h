#ifndef FATHOM_SRC_LINKS_HOLE_CENSUS_H_
#define FATHOM_SRC_LINKS_HOLE_CENSUS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/dataset.h"
#include "src/base/key_filter.h"
#include "src/links/link_stats.h"

namespace fathom {

// The longest gap that is looked into.
inline constexpr int kMaxGap = 6;

// About how many places so many replies can show: for memory.
uint64_t PlacesExpected(uint64_t replies);

// The place so many hops before a router, on any path.
// REQUIRES: 1 <= distance <= kMaxGap.
uint64_t PlaceKey(const IpAddress& router, int distance);

// The place `ttl` inside of a gap. REQUIRES: it is inside.
uint64_t PlaceIn(const Link& gap, int ttl);

// What paths show of places where somebody answers. Fixed memory: see
// key_filter.h.
class KnownPlaces {
 public:
  explicit KnownPlaces(uint64_t expected) : places_(expected) {}

  // Takes note of the links and gaps of one path, as LinkBuilder makes them.
  void Add(std::span<const Link> path);

  bool Has(uint64_t place) const { return places_.Has(place); }

 private:
  KeyFilter places_;
};

// Counts holes, from the paths in any order. Holes wait until all paths are
// known, in 8 bytes each; beyond kMaxHoles, those of every second place are
// left out and the rest counts twice, and so on.
class HoleCensus {
 public:
  static constexpr size_t kMaxHoles = 1 << 24;  // 128 MB.

  explicit HoleCensus(uint64_t expected_places, size_t max_holes = kMaxHoles)
      : known_(expected_places), max_holes_(max_holes) {}

  // The links and gaps of one path, as LinkBuilder makes them.
  void Add(std::span<const Link> path);

  // Once, after all paths.
  HoleCounts Finish();

 private:
  void AddHole(uint64_t place, uint8_t ttl);
  void Thin();

  KnownPlaces known_;
  const size_t max_holes_;
  std::vector<uint64_t> holes_;  // 56 bits of the place, 8 of the TTL.
  int halvings_ = 0;
  HoleCounts counts_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_HOLE_CENSUS_H_
