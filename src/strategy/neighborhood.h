#ifndef FATHOM_SRC_STRATEGY_NEIGHBORHOOD_H_
#define FATHOM_SRC_STRATEGY_NEIGHBORHOOD_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fathom/probe.h"

namespace fathom {

// The neighbourhood of the scanner: the low TTLs, at which the paths to all
// targets, or to all of an area, cross the same few routers. Once they are
// known, more probes teach nothing and wear down the routers' limits.
//
// News is a router not seen before at its TTL, or a link not seen before.
// After kQuiet replies in a row without news, the next brings news with
// probability of about 1 / kQuiet, and what is left is left off: for one TTL
// everywhere, or in an area, a /8 or /12 of the targets' addresses; of IPv6
// some of the /20s or /28s, by a hash, so that there are as many areas.
//
// A link is news to both its ends, since it shows only where both are asked: so
// TTL t goes on as long as new routers turn up at t + 1. A reply teaches of
// links only if the other end for the same target was heard lately; a reply for
// which that is unknown counts a quarter.
//
// What is lost: routers and links that fewer than about one target in kQuiet of
// an area would show. What is known is remembered up to kMaxKnown; after that
// all unknown is news, and nothing more is left off.
//
// Memory: 20 MB at the most for what is known; 9 KB a TTL for areas; 128 KB a
// TTL for the other ends of links.
class Neighborhood {
 public:
  static constexpr unsigned kQuiet = 128;
  static constexpr size_t kMaxKnown = size_t{1} << 20;

  // For TTLs `first` to `end` - 1; `end` is watched, for links, and never left
  // off. None if end <= first.
  Neighborhood(Ttl first, Ttl end);

  bool enabled() const { return ttls_ > 0; }

  // Whether the TTL is one that may be left off at all.
  bool Covers(unsigned ttl) const { return ttl >= first_ && ttl < end_; }

  // Whether a probe may be left off. REQUIRES: Covers(ttl).
  bool IsKnown(unsigned ttl, const IpAddress& target) const;
  // Whether all probes of the TTL may be.
  bool IsKnownEverywhere(unsigned ttl) const;

  void Observe(const Reply& reply);

 private:
  // What a reply counts that could have shown a link, and another one.
  static constexpr uint16_t kJudged = 4;
  static constexpr uint16_t kUnjudged = 1;
  static constexpr uint16_t kClosed = kQuiet * kJudged;
  static constexpr size_t kHeard = size_t{1} << 14;  // A power of two.

  // Everything, the /8s and the /12s, each with its count of quiet replies in
  // quarters.
  static constexpr size_t kAreas = 1 + 256 + 4096;
  using Areas = std::array<uint16_t, kAreas>;

  // A target, as it is remembered: by a number, and by what it is in.
  struct Place {
    explicit Place(const IpAddress& address);

    uint32_t number;
    std::array<size_t, 3> areas;
  };

  struct Heard {
    uint32_t target = 0;     // Both as short numbers: see fathom/block.h.
    uint32_t responder = 0;  // 0 is none.
  };

  // True if `key` was not known and now is.
  bool IsNews(uint64_t key);
  Heard& Slot(unsigned ttl, uint32_t target);
  // The router last heard for the target at a TTL; 0 if forgotten.
  uint32_t RouterAt(unsigned ttl, uint32_t target);
  // Takes note of a reply, or of a link that ends there.
  void Count(unsigned ttl, const Place& place, bool news, uint16_t weight);

  unsigned first_;
  unsigned end_;
  size_t ttls_;  // With `end_`.
  absl::flat_hash_set<uint64_t> known_;
  std::vector<Areas> quiet_;  // By TTL.
  std::vector<Heard> heard_;  // By TTL, then by a hash of the target.
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_NEIGHBORHOOD_H_
