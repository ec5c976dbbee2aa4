#ifndef FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_
#define FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/address.h"
#include "fathom/prefix.h"

namespace fathom {

// The longest-prefix match: the number that goes with the longest prefix that
// holds an address.
//
// Prefixes that lie in each other are cut into ranges that do not, and an index
// says where in their list to begin, so a look-up is a search among few ranges,
// whatever lies in what. Built once. 8 bytes a range for IPv4 and 24 for IPv6,
// of which there are at most two for a prefix, and for either family that has
// any an index of 256 KiB to 4 MiB.
//
// Thread safety: immutable, so any number of threads may ask.
class PrefixTable {
 public:
  struct Entry {
    Prefix prefix{};
    uint32_t value = 0;
  };

  // What Find() gives where no prefix holds the address. Not for entries.
  static constexpr uint32_t kNone = 0xffff'ffff;

  PrefixTable() = default;

  // Of entries with one prefix the first one counts.
  static PrefixTable Build(std::vector<Entry> entries);

  uint32_t Find(const IpAddress& address) const {
    if (address.family() == Family::kIpv4) return v4_.Find(address.v4());
    return v6_.Find({address.high(), address.low()});
  }

  // How many ranges it is made of, those that nothing holds among them.
  size_t ranges() const { return v4_.ranges.size() + v6_.ranges.size(); }

  struct Key6 {
    uint64_t high;
    uint64_t low;
    friend constexpr auto operator<=>(const Key6&, const Key6&) = default;
  };

 private:
  // By which keys are dealt to slots.
  static constexpr uint64_t Top(uint32_t key) { return key; }
  static constexpr uint64_t Top(const Key6& key) { return key.high; }

  // Both words at once, without a branch.
  static constexpr bool NotAfter(uint32_t a, uint32_t b) { return a <= b; }
  static constexpr bool NotAfter(const Key6& a, const Key6& b) {
    const bool borrow = b.low < a.low;
    return (a.high < b.high) | ((a.high == b.high) & !borrow);
  }

  // From `first` to before that of the next range.
  template <typename Key>
  struct Range {
    Key first;
    uint32_t value;
  };

  // Keys from `base` on are dealt to slots of equal width, so many that most
  // hold a range or two; what is below and above, to the first and the last.
  template <typename Key>
  struct Ranges {
    std::vector<Range<Key>> ranges{};  // Ascending, the lowest key first.
    std::vector<uint32_t> starts{};    // The range in which each slot begins.
    uint64_t base = 0;
    int shift = 0;

    uint32_t Find(const Key& key) const {
      if (ranges.empty()) return kNone;
      const uint64_t top = std::max(Top(key), base) - base;
      const size_t slot = std::min<uint64_t>(top >> shift, starts.size() - 2);
      const Range<Key>* found = ranges.data() + starts[slot];
      size_t count = starts[slot + 1] - starts[slot] + 1;
      // Where to look is chosen by arithmetic: a branch would be mispredicted
      // every other time.
      while (count > 1) {
        const size_t half = count / 2;
        found = NotAfter(found[half].first, key) ? found + half : found;
        count -= half;
      }
      return found->value;
    }
  };

  template <typename Key>
  static Ranges<Key> Make(std::vector<Range<Key>> ranges);
  template <typename Key>
  class Cutter;
  template <typename Key>
  static std::vector<Range<Key>> Cut(std::span<const Entry> entries);

  Ranges<uint32_t> v4_;
  Ranges<Key6> v6_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_
