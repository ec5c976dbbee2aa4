#include "src/lab/topology.h"

#include <algorithm>
#include <numeric>

namespace fathom::lab {
namespace {

// What the draws from a node's hash are for.
enum NodeDraw : uint64_t { kFate = 1, kDelay, kDiamond, kWidth, kShape };

constexpr uint64_t kTopologySalt = 0x746f706f;

uint32_t MaskOf(uint8_t bits) { return bits == 0 ? 0 : ~0U << (32 - bits); }

}  // namespace

Topology::Topology(const Scenario& scenario)
    : root_(scenario.space.front().first().v4()),
      diamonds_(scenario.diamonds),
      per_destination_(scenario.per_destination),
      diamond_length_(scenario.diamond_length) {
  for (size_t i = 0; i < kLevels; ++i) {
    levels_[i] = {.seed = Derive(scenario.seed ^ kTopologySalt, i),
                  .mask = MaskOf(kLevelBits[i]),
                  .slots = RouterSlots(scenario, i),
                  .chain = scenario.chain[i],
                  .delay = DelayRange(scenario.delay_ms[i]),
                  .unrouted = Share(scenario.unrouted[i]),
                  .filtered = Share(scenario.filtered[i]),
                  .loops = Share(scenario.loops[i])};
  }
  for (const Prefix& prefix : scenario.space) {
    space_.push_back({prefix.first().v4(), prefix.last().v4()});
  }
  std::sort(
      space_.begin(), space_.end(),
      [](const Interval& a, const Interval& b) { return a.first < b.first; });
  const double all =
      std::accumulate(scenario.widths.begin(), scenario.widths.end(), 0.0);
  double sum = 0;
  for (size_t i = 0; i < width_limits_.size(); ++i) {
    sum += scenario.widths[i];
    width_limits_[i] = static_cast<uint64_t>(sum / all * 4294967296.0);
  }
}

bool Topology::InSpace(uint32_t address) const {
  const auto after = std::upper_bound(
      space_.begin(), space_.end(), address,
      [](uint32_t value, const Interval& i) { return value < i.first; });
  return after != space_.begin() && address <= std::prev(after)->last;
}

RouteEnd Topology::Fate(const Level& level, uint64_t hash) const {
  uint32_t draw = High(Again(hash, kFate));
  if (level.unrouted.Holds(draw)) return RouteEnd::kUnrouted;
  draw = level.unrouted.Rest(draw);
  if (level.filtered.Holds(draw)) return RouteEnd::kFiltered;
  draw = level.filtered.Rest(draw);
  return level.loops.Holds(draw) ? RouteEnd::kLoop : RouteEnd::kHost;
}

Segment Topology::MakeSegment(size_t level, uint32_t base,
                              uint64_t hash) const {
  const Level& rules = levels_[level];
  Segment segment;
  segment.hash = hash;
  segment.base = base;
  segment.level = static_cast<uint8_t>(level);
  segment.length = static_cast<uint8_t>(Between(rules.chain, High(hash)));
  segment.delay = rules.delay.At(High(Again(hash, kDelay)));
  if (segment.length >= 3) AddDiamond(segment);
  return segment;
}

uint32_t Topology::DrawWidth(uint32_t class_draw, uint32_t draw) const {
  size_t i = 0;
  while (i + 1 < width_limits_.size() && class_draw >= width_limits_[i]) ++i;
  return Between(kWidthClasses[i], draw);
}

// The diamond takes its place within the chain, so a path is as long with it
// as without. A node with few addresses gets a narrower one, or none.
void Topology::AddDiamond(Segment& segment) const {
  const uint64_t hash = Again(segment.hash, kDiamond);
  if (!diamonds_.Holds(High(hash))) return;
  const uint64_t shape = Again(segment.hash, kShape);
  const uint32_t inner = segment.length - 2U;
  const uint32_t span = std::min(inner, Between(diamond_length_, High(shape)));
  const uint32_t room =
      (levels_[segment.level].slots - (segment.length - span)) / span;
  const uint64_t width = Again(segment.hash, kWidth);
  segment.width = std::min(room, DrawWidth(High(width), Low(width)));
  if (segment.width < 2) {
    segment.width = 1;
    return;
  }
  segment.span = static_cast<uint8_t>(span);
  segment.fork = static_cast<uint8_t>(1 + Below(inner - span + 1, Low(shape)));
  segment.balancer = per_destination_.Holds(Low(hash))
                         ? Balancer::kPerDestination
                         : Balancer::kPerFlow;
}

Route Topology::RouteTo(uint32_t target, uint32_t horizon) const {
  Route route;
  const bool in_space = InSpace(target);
  for (size_t i = 0; i < kLevels; ++i) {
    const Level& level = levels_[i];
    const uint32_t base = i == 0 ? root_ : target & level.mask;
    const uint64_t hash = Again(level.seed, base >> 8);
    if (i > 0) {
      route.end = in_space ? Fate(level, hash) : RouteEnd::kUnrouted;
      route.end_hash = hash;
      // A loop takes two routers; with one there is nowhere to go.
      if (route.end == RouteEnd::kLoop && route.hops < 2) {
        route.end = RouteEnd::kFiltered;
      }
      if (route.end != RouteEnd::kHost) return route;
    }
    const Segment segment = MakeSegment(i, base, hash);
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

Landing Topology::Land(uint32_t target, const FlowKeys& keys,
                       uint8_t ttl) const {
  const Route route = RouteTo(target, ttl);
  Landing landing;
  landing.distance = std::min(ttl, route.hops);
  landing.crossed = static_cast<uint8_t>(landing.distance - 1);
  landing.hash = route.end_hash;
  Nanos bounces{0};
  if (ttl > route.hops) {
    if (route.end == RouteEnd::kLoop) {
      const int extra = ttl - route.hops;
      bounces = extra * kLoopHop;
      landing.crossed = static_cast<uint8_t>(ttl - 1);
      landing.distance = static_cast<uint8_t>(route.hops - extra % 2);
    } else {
      landing.event = route.end == RouteEnd::kHost ? Landing::Event::kArrived
                      : route.end == RouteEnd::kUnrouted
                          ? Landing::Event::kUnrouted
                          : Landing::Event::kFiltered;
    }
  }
  uint32_t position = landing.distance - 1U;
  const Segment* segment = route.segments.data();
  for (; position >= segment->length; ++segment) {
    position -= segment->length;
    landing.back += segment->delay;
  }
  landing.back += segment->delay * (position + 1) / segment->length;
  landing.forward = landing.back + bounces;
  const uint32_t branch =
      segment->OnBranch(position) ? segment->Branch(keys) : 0;
  landing.router = segment->Router(position, branch);
  return landing;
}

}  // namespace fathom::lab
