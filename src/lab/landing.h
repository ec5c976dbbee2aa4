#ifndef FATHOM_SRC_LAB_LANDING_H_
#define FATHOM_SRC_LAB_LANDING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fathom/probe.h"
#include "src/lab/nodes.h"
#include "src/lab/route.h"
#include "src/lab/shape.h"

namespace fathom::lab {

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

// Where a packet wants to go.
struct Destination {
  uint32_t address;
  bool in_space;
};

// The end of a path as far as it was followed: its last two segments with
// routers, since a loop may end in the last router but one.
struct PathEnd {
  Segment last;
  Segment before;
  uint32_t hops = 0;    // Routers, those of `last` among them.
  Nanos delay{0};       // One way, up to `last`.
  uint32_t hidden = 0;  // Routers that tunnels hide, up to `last`.
  RouteEnd end = RouteEnd::kBeyond;
  uint64_t hash = 0;  // Of the node where it ended.
};

// As Topology::RouteTo(), but keeps the end only. `path` is not returned since
// the kernel has no stack for it. REQUIRES: path is new.
inline void Follow(const Nodes& nodes, const Destination& to, uint32_t horizon,
                   Nanos age, PathEnd& path) {
  for (size_t level = 0; level < kLevels; ++level) {
    const uint32_t base = nodes.Base(level, to.address);
    const uint64_t hash = nodes.Hash(level, base);
    if (level > 0) {
      path.end = to.in_space ? nodes.EndAt(level, hash, path.hops)
                             : RouteEnd::kUnrouted;
      path.hash = hash;
      if (path.end != RouteEnd::kHost) return;
    }
    const Segment segment = nodes.At(level, base, hash, age);
    if (segment.length == 0) continue;
    path.delay += path.last.delay;
    path.hidden += path.last.hidden;
    path.before = path.last;
    path.last = segment;
    path.hops += segment.length;
    if (path.hops >= horizon) {
      path.end = RouteEnd::kBeyond;
      return;
    }
  }
}

namespace internal {

// What the router at `position` of `segment` tells about its tunnel.
inline void AddLabels(const Segment& segment, uint32_t position,
                      Landing& landing) {
  const bool behind =
      segment.tunnel == Tunnel::kOpaque && segment.IsLast(position);
  if (!behind && !segment.InTunnel(position)) return;
  landing.tunnel = segment.tunnel;
  landing.labelled = static_cast<uint8_t>(behind ? segment.hidden : position);
}

// Lands in the router at `position` of `segment`, with `delay` and `hidden` of
// what is before the segment. Times are unsigned since the kernel's machine
// cannot divide others.
inline void LandIn(const Segment& segment, uint32_t position,
                   const FlowKeys& keys, Landing& landing) {
  const auto delay = static_cast<uint64_t>(segment.delay.count());
  // Whoever analyses this does not see that no path ends in an empty segment.
  const uint64_t length = std::max<uint64_t>(segment.length, 1);
  landing.back += Nanos(static_cast<int64_t>(delay * (position + 1) / length));
  if (segment.IsLast(position)) {
    landing.hidden = static_cast<uint8_t>(landing.hidden + segment.hidden);
  }
  if (segment.tunnel != Tunnel::kNone) AddLabels(segment, position, landing);
  const uint32_t branch =
      segment.OnBranch(position) ? segment.Branch(keys, position) : 0;
  landing.router = segment.Router(position, branch);
}

}  // namespace internal

// Where a probe with these keys ends on `path`, which was followed for it as
// far as its TTL. REQUIRES: ttl > 0.
inline Landing LandOn(const PathEnd& path, const FlowKeys& keys, uint8_t ttl) {
  Landing landing;
  landing.hash = path.hash;
  landing.back = path.delay;
  landing.hidden = static_cast<uint8_t>(path.hidden);
  uint32_t distance = ttl < path.hops ? ttl : path.hops;
  uint32_t crossed = distance - 1;
  Nanos bounces{0};
  if (ttl > path.hops && path.end == RouteEnd::kLoop) {
    const uint32_t extra = ttl - path.hops;
    bounces = extra * kLoopHop;
    crossed = ttl - 1U;
    distance -= extra & 1;
  } else if (ttl > path.hops) {
    landing.event = path.end == RouteEnd::kHost ? Landing::Event::kArrived
                    : path.end == RouteEnd::kUnrouted
                        ? Landing::Event::kUnrouted
                        : Landing::Event::kFiltered;
  }
  landing.distance = static_cast<uint8_t>(distance);
  landing.crossed = static_cast<uint8_t>(crossed);
  const uint32_t beyond = path.hops - distance;  // Routers after this one.
  if (beyond < path.last.length) {
    internal::LandIn(path.last, path.last.length - 1U - beyond, keys, landing);
  } else {
    // The last router is alone in its segment.
    landing.back -= path.before.delay;
    landing.hidden = static_cast<uint8_t>(landing.hidden - path.before.hidden);
    internal::LandIn(path.before, path.before.length - 1U, keys, landing);
  }
  landing.forward = landing.back + bounces;
  return landing;
}

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_LANDING_H_
