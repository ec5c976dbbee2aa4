#include "src/annotate/prefix_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <utility>

namespace fathom {
namespace {

uint32_t KeyOf(const IpAddress& address, uint32_t /*kind*/) {
  return address.v4();
}
PrefixTable::Key6 KeyOf(const IpAddress& address, PrefixTable::Key6 /*kind*/) {
  return {address.high(), address.low()};
}

uint32_t Next(uint32_t key) { return key + 1; }
PrefixTable::Key6 Next(const PrefixTable::Key6& key) {
  return {key.high + (key.low == std::numeric_limits<uint64_t>::max() ? 1 : 0),
          key.low + 1};
}

bool IsLast(uint32_t key) { return key == 0xffff'ffff; }
bool IsLast(const PrefixTable::Key6& key) {
  return key == PrefixTable::Key6{~uint64_t{0}, ~uint64_t{0}};
}

}  // namespace

// Walks prefixes in order, shorter before longer, with those that hold the
// place in a stack; each time the innermost changes, a range begins.
template <typename Key>
class PrefixTable::Cutter {
 public:
  explicit Cutter(std::vector<Range<Key>>& ranges) : ranges_(ranges) {
    Begin(Key{}, kNone);
  }

  void Add(const Key& first, const Key& last, uint32_t value) {
    while (!open_.empty() && open_.back().last < first) Leave();
    open_.push_back({last, value});
    Begin(first, value);
  }

  void Finish() {
    while (!open_.empty()) Leave();
  }

 private:
  struct Open {
    Key last;
    uint32_t value;
  };

  void Leave() {
    const Key last = open_.back().last;
    open_.pop_back();
    if (IsLast(last)) return;
    Begin(Next(last), open_.empty() ? kNone : open_.back().value);
  }

  void Begin(const Key& first, uint32_t value) {
    // What begins in one place last is the innermost.
    if (!ranges_.empty() && ranges_.back().first == first) ranges_.pop_back();
    if (!ranges_.empty() && ranges_.back().value == value) return;
    ranges_.push_back({first, value});
  }

  std::vector<Range<Key>>& ranges_;
  std::vector<Open> open_;  // At most one of each length.
};

template <typename Key>
auto PrefixTable::Cut(std::span<const Entry> entries)
    -> std::vector<Range<Key>> {
  std::vector<Range<Key>> ranges;
  Cutter<Key> cutter(ranges);
  const Prefix* previous = nullptr;
  for (const Entry& entry : entries) {
    assert(entry.value != kNone);
    if (previous != nullptr && *previous == entry.prefix) continue;
    previous = &entry.prefix;
    cutter.Add(KeyOf(entry.prefix.first(), Key{}),
               KeyOf(entry.prefix.last(), Key{}), entry.value);
  }
  cutter.Finish();
  ranges.shrink_to_fit();
  return ranges;
}

template <typename Key>
auto PrefixTable::Make(std::vector<Range<Key>> ranges) -> Ranges<Key> {
  // More would leave the cache.
  constexpr size_t kFewest = size_t{1} << 16, kMost = size_t{1} << 20;
  const size_t slots = std::clamp(std::bit_ceil(ranges.size()), kFewest, kMost);
  Ranges<Key> result;
  if (ranges.size() > 1) {
    result.base = Top(ranges[1].first);
    const uint64_t span = Top(ranges.back().first) - result.base;
    const auto width = static_cast<int>(std::bit_width(span));
    result.shift =
        std::max(0, width - static_cast<int>(std::bit_width(slots - 1)));
  }
  // The last range that begins before the slot, for what stands in the slot
  // below the first of its own.
  result.starts.reserve(slots + 1);
  uint32_t range = 0;
  for (uint64_t slot = 0; slot < slots; ++slot) {
    while (range + 1 < ranges.size() &&
           Top(ranges[range + 1].first) >= result.base &&
           (Top(ranges[range + 1].first) - result.base) >> result.shift <
               slot) {
      ++range;
    }
    result.starts.push_back(range);
  }
  result.starts.push_back(static_cast<uint32_t>(ranges.size() - 1));
  result.ranges = std::move(ranges);
  return result;
}

PrefixTable PrefixTable::Build(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) {
                     if (a.prefix.family() != b.prefix.family()) {
                       return a.prefix.family() < b.prefix.family();
                     }
                     return a.prefix < b.prefix;
                   });
  const auto middle =
      std::find_if(entries.begin(), entries.end(), [](const Entry& entry) {
        return entry.prefix.family() == Family::kIpv6;
      });
  PrefixTable table;
  if (middle != entries.begin()) {
    table.v4_ = Make(Cut<uint32_t>({entries.begin(), middle}));
  }
  if (middle != entries.end()) {
    table.v6_ = Make(Cut<Key6>({middle, entries.end()}));
  }
  return table;
}

}  // namespace fathom
