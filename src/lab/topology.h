#ifndef FATHOM_SRC_LAB_TOPOLOGY_H_
#define FATHOM_SRC_LAB_TOPOLOGY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/route.h"
#include "src/lab/scenario.h"

namespace fathom::lab {

// The routers of the lab and the ways through them: a pure function of the
// scenario. Nothing is stored for a prefix, a router or a path, so the size of
// the internet costs no memory.
//
// The space is a tree of prefixes. Each node of it owns a *segment*: a chain
// of routers, perhaps with a diamond in it. The path to a target is the chain
// of the segments of all prefixes that hold it, from the root down, and then
// the host. A segment begins and ends with a single router wherever it has a
// diamond, so segments meet in single routers.
//
// Some nodes change their routers once, at an age of the lab that follows from
// their hash. Age counts from the first probe.
//
// Immutable: any number of threads may share one.

// Where a probe ends, and how long it takes to get there.
struct Landing {
  enum class Event : uint8_t {
    kExpired,   // In `router`, for want of TTL.
    kArrived,   // Behind `router`, in the subnet of the target.
    kUnrouted,  // In `router`.
    kFiltered,  // In `router`.
  };
  Event event = Event::kExpired;
  uint8_t distance = 0;  // Of `router`, on the shortest way.
  uint8_t crossed = 0;   // Routers crossed before `router`, in loops too.
  uint8_t hidden = 0;    // Routers before `router` that take nothing off TTLs.
  // Inside a tunnel that shows: how many routers of it before, this one
  // counted. Behind an opaque one: the routers of it. Else 0.
  uint8_t labelled = 0;
  Tunnel tunnel = Tunnel::kNone;  // What `labelled` is about.
  uint32_t router = 0;
  uint64_t hash = 0;  // Of the node that a kUnrouted or kFiltered is about.
  Nanos forward{0};   // To `router`.
  Nanos back{0};      // From `router`.
};

// Before and after all changes.
inline constexpr Nanos kBefore{0};
inline constexpr Nanos kAfter = Nanos::max();
inline constexpr std::array<Nanos, 2> kAges = {kBefore, kAfter};

class Topology {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Topology(const Scenario& scenario);

  // The route to `target` at `age`, as far as the first segment that reaches
  // `horizon`.
  Route RouteTo(uint32_t target, Nanos age = kBefore,
                uint32_t horizon = 255) const;

  // Where a probe with these keys ends. REQUIRES: ttl > 0.
  Landing Land(uint32_t target, const FlowKeys& keys, uint8_t ttl,
               Nanos age = kBefore) const;

  // The ages at which the routers on the way to `target` are others: kBefore,
  // and kAfter where they change.
  std::span<const Nanos> AgesOf(uint32_t target) const;

  bool InSpace(uint32_t address) const;

 private:
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

  RouteEnd Fate(const Level& level, uint64_t hash) const;
  bool Changes(uint64_t hash) const;
  bool HasChanged(uint64_t hash, Nanos age) const;
  Segment MakeSegment(size_t level, uint32_t base, uint64_t hash) const;
  bool AddDiamond(Segment& segment) const;
  void AddTunnel(Segment& segment) const;

  struct Interval {
    uint32_t first;
    uint32_t last;
  };

  std::array<Level, kLevels> levels_;
  uint32_t root_;                // The first address of the root's routers.
  std::vector<Interval> space_;  // Ascending.
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

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_TOPOLOGY_H_
