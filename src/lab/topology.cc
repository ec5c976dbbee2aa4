#include "src/lab/topology.h"

#include <algorithm>
#include <iterator>

namespace fathom::lab {

Topology::Topology(const Scenario& scenario) : nodes_(scenario) {
  for (const Prefix& prefix : scenario.space) {
    space_.push_back({prefix.first().v4(), prefix.last().v4()});
  }
  std::sort(
      space_.begin(), space_.end(),
      [](const Interval& a, const Interval& b) { return a.first < b.first; });
}

bool Topology::InSpace(uint32_t address) const {
  const auto after = std::upper_bound(
      space_.begin(), space_.end(), address,
      [](uint32_t value, const Interval& i) { return value < i.first; });
  return after != space_.begin() && address <= std::prev(after)->last;
}

Route Topology::RouteTo(uint32_t target, Nanos age, uint32_t horizon) const {
  Route route;
  const bool in_space = InSpace(target);
  for (size_t i = 0; i < kLevels; ++i) {
    const uint32_t base = nodes_.Base(i, target);
    const uint64_t hash = nodes_.Hash(i, base);
    if (i > 0) {
      route.end =
          in_space ? nodes_.EndAt(i, hash, route.hops) : RouteEnd::kUnrouted;
      route.end_hash = hash;
      if (route.end != RouteEnd::kHost) return route;
    }
    const Segment segment = nodes_.At(i, base, hash, age);
    if (segment.length == 0) continue;
    route.segments[route.count++] = segment;
    route.hops = static_cast<uint8_t>(route.hops + segment.length);
    if (route.hops >= horizon) {
      route.end = RouteEnd::kBeyond;
      return route;
    }
  }
  return route;
}

std::span<const Nanos> Topology::AgesOf(uint32_t target) const {
  const uint32_t base = nodes_.Base(kChangingLevel, target);
  const uint64_t hash = nodes_.Hash(kChangingLevel, base);
  return std::span(kAges).first(nodes_.Changes(hash) ? 2 : 1);
}

}  // namespace fathom::lab
