#ifndef FATHOM_SRC_NET_PREFIX_SET_H_
#define FATHOM_SRC_NET_PREFIX_SET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/address.h"
#include "fathom/prefix.h"

namespace fathom {

// A PrefixSet is an immutable set of addresses of both families, made from
// prefixes.
//
// Of IPv4 it holds the fewest ascending ranges that say the same, and for each
// of the 65,536 /16s where in that list to begin. Contains() is thus one
// look-up, or a short search where a /16 holds several ranges; it stands before
// the wire, asked for every probe. 256 KiB for the index and 16 bytes a range.
// Of IPv6 it holds ranges alone, 32 bytes each: there is no index to speak of
// for so wide a space, and lists are short.
//
// Thread safety: immutable, so any number of threads may ask.
class PrefixSet {
 public:
  // Both ends belong to the range.
  struct Range {
    uint32_t first;
    uint32_t last;

    friend bool operator==(const Range&, const Range&) = default;
  };

  // The same of IPv6.
  struct Range6 {
    IpAddress first;
    IpAddress last;

    friend bool operator==(const Range6&, const Range6&) = default;
  };

  // The empty set.
  PrefixSet() : PrefixSet(std::vector<Range>(), {}) {}

  // The union of `prefixes`, which may overlap and stand in any order.
  static PrefixSet FromPrefixes(std::span<const Prefix> prefixes);

  // The union of `ranges`, which may overlap and stand in any order.
  // REQUIRES: first <= last in each.
  static PrefixSet FromRanges(std::vector<Range> ranges,
                              std::vector<Range6> ranges6 = {});

  static PrefixSet Union(const PrefixSet& a, const PrefixSet& b);

  bool Contains(const IpAddress& address) const {
    return address.family() == Family::kIpv4 ? Contains(address.v4())
                                             : ContainsIpv6(address);
  }

  bool Contains(uint32_t address) const {
    // The first range that does not end before `address` is the only one that
    // can hold it, and lies between the starts of this /16 and the next.
    const uint32_t slash16 = address >> 16;
    size_t low = starts_[slash16];
    size_t high = starts_[slash16 + 1];
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (ranges_[middle].last < address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    // The list ends in a range that holds nothing, so `low` is never past it.
    return ranges_[low].first <= address && address <= ranges_[low].last;
  }

  bool empty() const { return size() == 0 && ranges6_.empty(); }

  // How many IPv4 addresses it holds.
  uint64_t size() const { return before_.back(); }

  // The IPv4 address with `index` smaller ones in the set.
  // REQUIRES: index < size().
  IpAddress operator[](uint64_t index) const;

  // The fewest ranges that make up the set, ascending, with gaps between.
  // Valid as long as the set.
  std::span<const Range> ranges() const {
    return std::span(ranges_).first(ranges_.size() - 1);
  }
  std::span<const Range6> ranges6() const { return ranges6_; }

 private:
  // Stands at the end of ranges_: no address is both >= first and <= last.
  static constexpr Range kNothing{0xffff'ffff, 0};

  // REQUIRES: the ranges are canonical.
  PrefixSet(std::vector<Range> ranges, std::vector<Range6> ranges6);

  bool ContainsIpv6(const IpAddress& address) const;

  std::vector<Range> ranges_;     // Canonical, then kNothing.
  std::vector<uint64_t> before_;  // Addresses in the ranges before each.
  std::vector<uint32_t> starts_;  // First range that ends in or past each /16.
  std::vector<Range6> ranges6_;   // Canonical.
};

}  // namespace fathom

#endif  // FATHOM_SRC_NET_PREFIX_SET_H_
