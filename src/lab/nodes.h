#ifndef FATHOM_SRC_LAB_NODES_H_
#define FATHOM_SRC_LAB_NODES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "src/lab/chance.h"
#include "src/lab/route.h"
#include "src/lab/shape.h"

namespace fathom::lab {

struct Scenario;

// The nodes of the tree of prefixes: which routers each owns, and what keeps
// packets from going on there. All of it follows from the hash of the node.
//
// Plain numbers and inline functions, so that it also runs in the kernel.
class Nodes {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Nodes(const Scenario& scenario);

  // The first address of the node of `level` on the way to `target`.
  uint32_t Base(size_t level, uint32_t target) const {
    return level == 0 ? root_ : target & levels_[level].mask;
  }

  uint64_t Hash(size_t level, uint32_t base) const {
    return Again(levels_[level].seed, base >> 8);
  }

  // What happens to packets before they come to the routers of the node of this
  // `hash`: kHost if nothing does. `hops` routers are before it.
  RouteEnd EndAt(size_t level, uint64_t hash, uint32_t hops) const {
    const Level& rules = levels_[level];
    uint32_t draw = High(Again(hash, kFate));
    if (rules.unrouted.Holds(draw)) return RouteEnd::kUnrouted;
    draw = rules.unrouted.Rest(draw);
    if (rules.filtered.Holds(draw)) return RouteEnd::kFiltered;
    draw = rules.filtered.Rest(draw);
    if (!rules.loops.Holds(draw)) return RouteEnd::kHost;
    // A loop takes two routers; with one there is nowhere to go.
    return hops < 2 ? RouteEnd::kFiltered : RouteEnd::kLoop;
  }

  // Whether the node of kChangingLevel with this hash gets other routers.
  bool Changes(uint64_t hash) const {
    return changes_.Holds(High(Again(hash, kChange)));
  }

  // The routers of a node at `age`. None: its length is 0.
  Segment At(size_t level, uint32_t base, uint64_t hash, Nanos age) const {
    if (level != kChangingLevel || !HasChanged(hash, age)) {
      return Make(level, base, hash);
    }
    Segment segment = Make(level, base, Again(hash, kChanged));
    segment.first_slot = levels_[level].slots;
    return segment;
  }

 private:
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

  struct Level {
    uint64_t seed;
    uint32_t mask;
    uint32_t slots;
    Share bare;
    Range<uint32_t> chain;
    DelayRange delay;
    Share diamonds;
    Share unrouted;
    Share filtered;
    Share loops;
  };

  bool HasChanged(uint64_t hash, Nanos age) const {
    return Changes(hash) && age >= change_age_.At(Low(Again(hash, kChange)));
  }

  Segment Make(size_t level, uint32_t base, uint64_t hash) const {
    const Level& rules = levels_[level];
    Segment segment;
    segment.hash = hash;
    segment.base = base;
    segment.level = static_cast<uint8_t>(level);
    if (rules.bare.Holds(High(Again(hash, kBare)))) return segment;
    segment.length = static_cast<uint8_t>(Between(rules.chain, High(hash)));
    segment.delay = rules.delay.At(High(Again(hash, kDelay)));
    if (segment.length < 2 || AddDiamond(segment, rules)) return segment;
    if (level > 0) AddTunnel(segment);
    return segment;
  }

  bool AddDiamond(Segment& segment, const Level& rules) const;
  void AddTunnel(Segment& segment) const;

  std::array<Level, kLevels> levels_;
  uint32_t root_;  // The first address of the root's routers.
  Share per_destination_;
  Share per_packet_;
  Share meshed_;
  Range<uint32_t> diamond_length_;
  Weights<kWidthClasses.size()> widths_;
  Share tunnels_;
  Weights<kTunnelKinds> tunnel_kinds_;
  Range<uint32_t> hidden_routers_;
  Share changes_;
  DelayRange change_age_;
};

// The diamond takes its place within the chain, so a path is as long with it
// as without. A node with few addresses gets a narrower one, or none.
inline bool Nodes::AddDiamond(Segment& segment, const Level& rules) const {
  const uint64_t hash = Again(segment.hash, kDiamond);
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
inline void Nodes::AddTunnel(Segment& segment) const {
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

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_NODES_H_
