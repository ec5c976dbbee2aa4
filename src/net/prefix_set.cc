#include "src/net/prefix_set.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace fathom {
namespace {

constexpr size_t kSlash16s = 65'536;

// Whether what begins at `next` overlaps or touches what ends at `last`.
bool Touches(uint32_t last, uint32_t next) {
  // 64 bits, since the last address has no successor in 32.
  return next <= uint64_t{last} + 1;
}
bool Touches(const IpAddress& last, const IpAddress& next) {
  if (next <= last) return true;
  const uint64_t low = last.low() + 1;
  return next == IpAddress::V6(last.high() + (low == 0 ? 1 : 0), low);
}

// Sorts and merges: what overlaps or touches becomes one.
template <typename AnyRange>
void Canonicalize(std::vector<AnyRange>& ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const AnyRange& range : ranges) {
    assert(range.first <= range.last);
    if (kept > 0 && Touches(ranges[kept - 1].last, range.first)) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

}  // namespace

PrefixSet::PrefixSet(std::vector<Range> ranges, std::vector<Range6> ranges6)
    : ranges_(std::move(ranges)), ranges6_(std::move(ranges6)) {
  before_.reserve(ranges_.size() + 1);
  before_.push_back(0);
  for (const Range& range : ranges_) {
    before_.push_back(before_.back() + range.last - range.first + 1);
  }
  starts_.reserve(kSlash16s + 1);
  uint32_t start = 0;
  for (uint32_t slash16 = 0; slash16 < kSlash16s; ++slash16) {
    while (start < ranges_.size() && ranges_[start].last < slash16 << 16) {
      ++start;
    }
    starts_.push_back(start);
  }
  starts_.push_back(static_cast<uint32_t>(ranges_.size()));
  ranges_.push_back(kNothing);
}

PrefixSet PrefixSet::FromPrefixes(std::span<const Prefix> prefixes) {
  std::vector<Range> ranges;
  std::vector<Range6> ranges6;
  for (const Prefix& prefix : prefixes) {
    if (prefix.family() == Family::kIpv4) {
      ranges.push_back({prefix.first().v4(), prefix.last().v4()});
    } else {
      ranges6.push_back({prefix.first(), prefix.last()});
    }
  }
  return FromRanges(std::move(ranges), std::move(ranges6));
}

PrefixSet PrefixSet::FromRanges(std::vector<Range> ranges,
                                std::vector<Range6> ranges6) {
  Canonicalize(ranges);
  Canonicalize(ranges6);
  return PrefixSet(std::move(ranges), std::move(ranges6));
}

bool PrefixSet::ContainsIpv6(const IpAddress& address) const {
  const auto after = std::upper_bound(
      ranges6_.begin(), ranges6_.end(), address,
      [](const IpAddress& a, const Range6& range) { return a < range.first; });
  return after != ranges6_.begin() && address <= std::prev(after)->last;
}

PrefixSet PrefixSet::Union(const PrefixSet& a, const PrefixSet& b) {
  std::vector<Range> ranges(a.ranges().begin(), a.ranges().end());
  ranges.insert(ranges.end(), b.ranges().begin(), b.ranges().end());
  std::vector<Range6> ranges6(a.ranges6_);
  ranges6.insert(ranges6.end(), b.ranges6_.begin(), b.ranges6_.end());
  return FromRanges(std::move(ranges), std::move(ranges6));
}

IpAddress PrefixSet::operator[](uint64_t index) const {
  assert(index < size());
  const auto after = std::upper_bound(before_.begin(), before_.end(), index);
  const size_t range = static_cast<size_t>(after - before_.begin()) - 1;
  return IpAddress::V4(ranges_[range].first +
                       static_cast<uint32_t>(index - before_[range]));
}

}  // namespace fathom
