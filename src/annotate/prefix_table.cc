#include "src/annotate/prefix_table.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <span>

namespace fathom {
namespace {

constexpr uint32_t kSlots = 65'536;

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

// Walks prefixes in order, shorter before longer, with those that hold the
// place in a stack; each time the innermost changes, a range begins.
template <typename Key>
class Cutter {
 public:
  Cutter(std::vector<Key>& firsts, std::vector<uint32_t>& values)
      : firsts_(firsts), values_(values) {
    Begin(Key{}, PrefixTable::kNone);
  }

  void Add(const Key& first, const Key& last, uint32_t value) {
    LeaveBefore(first);
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

  void LeaveBefore(const Key& place) {
    while (!open_.empty() && open_.back().last < place) Leave();
  }

  void Leave() {
    const Key last = open_.back().last;
    open_.pop_back();
    if (IsLast(last)) return;
    Begin(Next(last), open_.empty() ? PrefixTable::kNone : open_.back().value);
  }

  void Begin(const Key& first, uint32_t value) {
    if (!firsts_.empty() && firsts_.back() == first) {
      // Nothing was between: what begins here last is the innermost.
      firsts_.pop_back();
      values_.pop_back();
    }
    if (!values_.empty() && values_.back() == value) return;
    firsts_.push_back(first);
    values_.push_back(value);
  }

  std::vector<Key>& firsts_;
  std::vector<uint32_t>& values_;
  std::vector<Open> open_;
};

template <typename Key>
void Cut(std::span<const PrefixTable::Entry> entries, std::vector<Key>& firsts,
         std::vector<uint32_t>& values) {
  Cutter<Key> cutter(firsts, values);
  const Prefix* previous = nullptr;
  for (const PrefixTable::Entry& entry : entries) {
    assert(entry.value != PrefixTable::kNone);
    if (previous != nullptr && *previous == entry.prefix) continue;
    previous = &entry.prefix;
    cutter.Add(KeyOf(entry.prefix.first(), Key{}),
               KeyOf(entry.prefix.last(), Key{}), entry.value);
  }
  cutter.Finish();
  firsts.shrink_to_fit();
  values.shrink_to_fit();
}

}  // namespace

template <typename Key>
void PrefixTable::Index(Ranges<Key>& ranges) {
  ranges.starts.assign(kSlots + 1, 0);
  // The last range that begins before the slot; for what stands below the
  // first range of a slot is in that one.
  uint32_t range = 0;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    while (range + 1 < ranges.firsts.size() &&
           Slot(ranges.firsts[range + 1]) < slot) {
      ++range;
    }
    ranges.starts[slot] = range;
  }
  ranges.starts[kSlots] = static_cast<uint32_t>(ranges.firsts.size() - 1);
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
    Cut({entries.begin(), middle}, table.v4_.firsts, table.v4_.values);
    Index(table.v4_);
  }
  if (middle != entries.end()) {
    Cut({middle, entries.end()}, table.v6_.firsts, table.v6_.values);
    Index(table.v6_);
  }
  return table;
}

}  // namespace fathom
