#ifndef FATHOM_SRC_LAB_TOPOLOGY_H_
#define FATHOM_SRC_LAB_TOPOLOGY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/probe.h"
#include "src/lab/landing.h"
#include "src/lab/nodes.h"
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
               Nanos age = kBefore) const {
    PathEnd path;
    Follow(nodes_, {target, InSpace(target)}, ttl, age, path);
    return LandOn(path, keys, ttl);
  }

  // The ages at which the routers on the way to `target` are others: kBefore,
  // and kAfter where they change.
  std::span<const Nanos> AgesOf(uint32_t target) const;

  bool InSpace(uint32_t address) const;

  const Nodes& nodes() const { return nodes_; }

 private:
  struct Interval {
    uint32_t first;
    uint32_t last;
  };

  Nodes nodes_;
  std::vector<Interval> space_;  // Ascending.
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_TOPOLOGY_H_
