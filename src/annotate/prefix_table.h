#ifndef FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_
#define FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fathom/address.h"
#include "fathom/prefix.h"

namespace fathom {

// The longest-prefix match: the number that goes with the longest prefix that
// holds an address.
//
// Prefixes that lie in each other are cut into ranges that do not, so a look-up
// is a search among the few ranges of one /16, whatever lies in what. Built
// once. 8 bytes a range for IPv4 and 20 for IPv6, of which there are at most
// two for a prefix, and 256 KiB for either family that has any.
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
  // REQUIRES: no IPv6 prefix holds the v4-mapped addresses, but ::/n.
  static PrefixTable Build(std::vector<Entry> entries);

  uint32_t Find(const IpAddress& address) const {
    if (address.family() == Family::kIpv4) return v4_.Find(address.v4());
    return v6_.Find({address.high(), address.low()});
  }

  // How many ranges it is made of, those that nothing holds among them.
  size_t ranges() const { return v4_.firsts.size() + v6_.firsts.size(); }

  struct Key6 {
    uint64_t high;
    uint64_t low;
    friend constexpr auto operator<=>(const Key6&, const Key6&) = default;
  };

 private:
  static constexpr uint32_t Slot(uint32_t key) { return key >> 16; }
  static constexpr uint32_t Slot(const Key6& key) {
    return static_cast<uint32_t>(key.high >> 48);
  }

  // Range i is from firsts[i] to before firsts[i + 1].
  template <typename Key>
  struct Ranges {
    std::vector<Key> firsts{};  // Ascending, the lowest key first; or none.
    std::vector<uint32_t> values{};
    std::vector<uint32_t> starts{};  // The range in which each slot begins.

    uint32_t Find(const Key& key) const {
      if (firsts.empty()) return kNone;
      const uint32_t slot = Slot(key);
      const Key* base = firsts.data() + starts[slot];
      size_t count = starts[slot + 1] - starts[slot] + 1;
      // Where to look is chosen by arithmetic: a branch would be mispredicted
      // every other time.
      while (count > 1) {
        const size_t half = count / 2;
        base = base[half] <= key ? base + half : base;
        count -= half;
      }
      return values[static_cast<size_t>(base - firsts.data())];
    }
  };

  template <typename Key>
  static void Index(Ranges<Key>& ranges);

  Ranges<uint32_t> v4_;
  Ranges<Key6> v6_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_PREFIX_TABLE_H_
