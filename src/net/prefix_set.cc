#include "src/net/prefix_set.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace fathom {
namespace {

constexpr size_t kSlash16s = 65'536;

// Sorts and merges: what overlaps or touches becomes one.
void Canonicalize(std::vector<PrefixSet::Range>& ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const PrefixSet::Range& range : ranges) {
    assert(range.first <= range.last);
    // 64 bits, since the last address has no successor in 32.
    if (kept > 0 && range.first <= uint64_t{ranges[kept - 1].last} + 1) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

}  // namespace

PrefixSet::PrefixSet(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
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
  ranges.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) {
    assert(prefix.family() == Family::kIpv4);
    ranges.push_back({prefix.first().v4(), prefix.last().v4()});
  }
  return FromRanges(std::move(ranges));
}

PrefixSet PrefixSet::FromRanges(std::vector<Range> ranges) {
  Canonicalize(ranges);
  return PrefixSet(std::move(ranges));
}

PrefixSet PrefixSet::Union(const PrefixSet& a, const PrefixSet& b) {
  std::vector<Range> ranges(a.ranges().begin(), a.ranges().end());
  ranges.insert(ranges.end(), b.ranges().begin(), b.ranges().end());
  return FromRanges(std::move(ranges));
}

IpAddress PrefixSet::operator[](uint64_t index) const {
  assert(index < size());
  const auto after = std::upper_bound(before_.begin(), before_.end(), index);
  const size_t range = static_cast<size_t>(after - before_.begin()) - 1;
  return IpAddress::V4(ranges_[range].first +
                       static_cast<uint32_t>(index - before_[range]));
}

}  // namespace fathom
