#include "src/lab/topology.h"

#include <algorithm>
#include <iterator>

namespace fathom::lab {
namespace {

// What the draws from a node's hash are for.
enum NodeDraw : uint64_t {
  kFate = 1,
  kDelay,
  kDiamond,
  kWidth,
  kShape,
  kBare,
  kTunnel,
  kChange,
  kChanged
};

constexpr uint64_t kTopologySalt = 0x746f706f;

uint32_t MaskOf(uint8_t bits) { return bits == 0 ? 0 : ~0U << (32 - bits); }

// What the router at `position` of `segment` tells about its tunnel.
void AddLabels(const Segment& segment, uint32_t position, Landing& landing) {
  const bool behind =
      segment.tunnel == Tunnel::kOpaque && segment.IsLast(position);
  if (!behind && !segment.InTunnel(position)) return;
  landing.tunnel = segment.tunnel;
  landing.labelled = static_cast<uint8_t>(behind ? segment.hidden : position);
}

}  // namespace

Topology::Topology(const Scenario& scenario)
    : root_(scenario.space.front().first().v4()),
      per_destination_(scenario.per_destination),
      per_packet_(scenario.per_packet),
      meshed_(scenario.meshed),
      diamond_length_(scenario.diamond_length),
      widths_(scenario.widths),
      tunnels_(scenario.tunnels),
      tunnel_kinds_(scenario.tunnel_kinds),
      hidden_routers_(scenario.hidden_routers),
      changes_(scenario.route_changes),
      change_age_({scenario.route_change_s.min * 1e3,
                   scenario.route_change_s.max * 1e3}) {
  for (size_t i = 0; i < kLevels; ++i) {
    levels_[i] = {.seed = Derive(scenario.seed ^ kTopologySalt, i),
                  .mask = MaskOf(kLevelBits[i]),
                  .slots = RouterSlots(scenario, i),
                  .bare = Share(scenario.bare[i]),
                  .chain = scenario.chain[i],
                  .delay = DelayRange(scenario.delay_ms[i]),
                  .diamonds = Share(scenario.diamonds[i]),
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

bool Topology::Changes(uint64_t hash) const {
  return changes_.Holds(High(Again(hash, kChange)));
}

bool Topology::HasChanged(uint64_t hash, Nanos age) const {
  return Changes(hash) && age >= change_age_.At(Low(Again(hash, kChange)));
}

Segment Topology::MakeSegment(size_t level, uint32_t base,
                              uint64_t hash) const {
  const Level& rules = levels_[level];
  Segment segment;
  segment.hash = hash;
  segment.base = base;
  segment.level = static_cast<uint8_t>(level);
  if (rules.bare.Holds(High(Again(hash, kBare)))) return segment;
  segment.length = static_cast<uint8_t>(Between(rules.chain, High(hash)));
  segment.delay = rules.delay.At(High(Again(hash, kDelay)));
  if (segment.length < 2 || AddDiamond(segment)) return segment;
  if (level > 0) AddTunnel(segment);
  return segment;
}

// The diamond takes its place within the chain, so a path is as long with it
// as without. A node with few addresses gets a narrower one, or none.
bool Topology::AddDiamond(Segment& segment) const {
  const uint64_t hash = Again(segment.hash, kDiamond);
  const Level& rules = levels_[segment.level];
  if (segment.length < 3 || !rules.diamonds.Holds(High(hash))) return false;
  const uint64_t shape = Again(segment.hash, kShape);
  const uint32_t inner = segment.length - 2U;
  const uint32_t span = std::min(inner, Between(diamond_length_, High(shape)));
  const uint32_t room = (rules.slots - (segment.length - span)) / span;
  const uint64_t width = Again(segment.hash, kWidth);
  const auto& widths = kWidthClasses[widths_.At(High(width))];
  segment.width = std::min(room, Between(widths, Low(width)));
  if (segment.width < 2) {
    segment.width = 1;
    return false;
  }
  segment.span = static_cast<uint8_t>(span);
  segment.fork = static_cast<uint8_t>(1 + Below(inner - span + 1, Low(shape)));
  segment.balancer = per_destination_.Holds(Low(hash))
                         ? Balancer::kPerDestination
                     : per_packet_.Holds(per_destination_.Rest(Low(hash)))
                         ? Balancer::kPerPacket
                         : Balancer::kPerFlow;
  segment.meshed = span > 1 && meshed_.Holds(High(Again(shape, kShape)));
  return true;
}

// A tunnel that shows needs a router between its ends.
void Topology::AddTunnel(Segment& segment) const {
  const uint64_t hash = Again(segment.hash, kTunnel);
  if (!tunnels_.Holds(High(hash))) return;
  const auto kind = static_cast<Tunnel>(1 + tunnel_kinds_.At(Low(hash)));
  const bool hides = kind == Tunnel::kOpaque || kind == Tunnel::kInvisible;
  if (!hides && segment.length < 3) return;
  segment.tunnel = kind;
  if (!hides) return;
  segment.hidden = static_cast<uint8_t>(
      Between(hidden_routers_, High(Again(hash, kTunnel))));
}

Route Topology::RouteTo(uint32_t target, Nanos age, uint32_t horizon) const {
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
    const bool changed = i == kChangingLevel && HasChanged(hash, age);
    Segment segment =
        MakeSegment(i, base, changed ? Again(hash, kChanged) : hash);
    if (segment.length == 0) continue;
    if (changed) segment.first_slot = level.slots;
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
  const Level& level = levels_[kChangingLevel];
  const uint64_t hash = Again(level.seed, (target & level.mask) >> 8);
  return std::span(kAges).first(Changes(hash) ? 2 : 1);
}

Landing Topology::Land(uint32_t target, const FlowKeys& keys, uint8_t ttl,
                       Nanos age) const {
  const Route route = RouteTo(target, age, ttl);
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
    landing.hidden = static_cast<uint8_t>(landing.hidden + segment->hidden);
  }
  landing.back += segment->delay * (position + 1) / segment->length;
  landing.forward = landing.back + bounces;
  if (segment->IsLast(position)) {
    landing.hidden = static_cast<uint8_t>(landing.hidden + segment->hidden);
  }
  if (segment->tunnel != Tunnel::kNone) AddLabels(*segment, position, landing);
  const uint32_t branch =
      segment->OnBranch(position) ? segment->Branch(keys, position) : 0;
  landing.router = segment->Router(position, branch);
  return landing;
}

}  // namespace fathom::lab
