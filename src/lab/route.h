#ifndef FATHOM_SRC_LAB_ROUTE_H_
#define FATHOM_SRC_LAB_ROUTE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/shape.h"

namespace fathom::lab {

// A route to one target, and how packets find their way along it.
//
// Routers have addresses inside their own node's prefix: slot s of a node at
// level j is in the prefix's (s / 5)-th /24 and has the last octet
// 225 + 5 j + s % 5. So no two routers share an address, and there are no
// hosts from octet 225 on. Addresses are IPv4 numbers in host order.

inline constexpr uint32_t kFirstRouterOctet = 225;
inline constexpr uint32_t kRoutersPerSlash24 = 5;

// What balancers look at, as two hashes: those that hash the flow see source,
// destination, protocol, TOS, and the ICMP type, code, checksum and id, or
// the ports; others see the two addresses, and some spread packets evenly.
struct FlowKeys {
  uint64_t flow = 0;
  uint64_t addresses = 0;
  uint64_t packet = 0;  // Another for every packet.
};

// The `addresses` of packets from `source` to `target`.
constexpr uint64_t AddressKey(uint32_t source, uint32_t target) {
  return Mix(uint64_t{source} << 32 | target);
}

enum class Balancer : uint8_t { kPerFlow, kPerDestination, kPerPacket };

// How the tunnel of a node shows, from its first router to its last.
enum class Tunnel : uint8_t {
  kNone,
  kExplicit,   // The routers between answer, and name their labels.
  kImplicit,   // They answer, and only the TTLs that they quote tell.
  kOpaque,     // They do not; the last router names the label it took off.
  kInvisible,  // They do not, and nothing tells.
};

// The routers of one node. Along a path they have positions 0 to length - 1;
// those from `fork` to `fork + span - 1` are on one of `width` branches. The
// routers that a tunnel hides have no position; they are before the last one.
struct Segment {
  uint64_t hash = 0;
  Nanos delay{0};     // One way, over all routers.
  uint32_t base = 0;  // The first address of the node's prefix.
  uint32_t first_slot = 0;
  uint32_t width = 1;
  uint8_t level = 0;
  uint8_t length = 0;
  uint8_t fork = 0;
  uint8_t span = 0;    // 0: no diamond.
  uint8_t hidden = 0;  // Routers that the tunnel hides.
  Balancer balancer = Balancer::kPerFlow;
  Tunnel tunnel = Tunnel::kNone;
  bool meshed = false;  // Every router of a branch leads to all of the next.

  bool OnBranch(uint32_t position) const {
    return position - fork < span;  // Wraps around for positions before it.
  }

  bool IsLast(uint32_t position) const { return position + 1 == length; }

  // Whether the router at `position` is inside a tunnel that shows it.
  bool InTunnel(uint32_t position) const {
    return (tunnel == Tunnel::kExplicit || tunnel == Tunnel::kImplicit) &&
           position > 0 && !IsLast(position);
  }

  // The address of the router at `position`, on `branch` where there are some.
  uint32_t Router(uint32_t position, uint32_t branch) const {
    uint32_t slot = first_slot + position;
    if (OnBranch(position)) {
      slot += branch * span;
    } else if (position > fork) {
      slot += (width - 1) * span;
    }
    return base + ((slot / kRoutersPerSlash24) << 8) + kFirstRouterOctet +
           kRoutersPerSlash24 * level + slot % kRoutersPerSlash24;
  }

  // The branch that packets with `keys` are on at `position`.
  uint32_t Branch(const FlowKeys& keys, uint32_t position) const {
    const uint64_t key = balancer == Balancer::kPerFlow ? keys.flow
                         : balancer == Balancer::kPerDestination
                             ? keys.addresses
                             : keys.packet;
    const uint64_t fork_hash = meshed ? Again(hash, position) : hash;
    return Below(width, High(Mix(key ^ fork_hash)));
  }
};

// Why a path is over after its last router.
enum class RouteEnd : uint8_t {
  kHost,      // The target's subnet; whether there is a host is not said.
  kUnrouted,  // The last router knows no way on.
  kFiltered,  // The last router does not let packets on.
  kLoop,      // The last two routers send packets to each other.
  kBeyond,    // It goes on; the route was not asked for farther than this.
};

// The segments on the path to one target, for all flows.
struct Route {
  std::array<Segment, kLevels> segments;
  uint8_t count = 0;  // Of segments; those without routers are left out.
  uint8_t hops = 0;   // Of routers.
  RouteEnd end = RouteEnd::kBeyond;
  uint64_t end_hash = 0;  // Of the node that a kUnrouted or kFiltered is about.

  std::span<const Segment> used() const {
    return std::span(segments).first(count);
  }

  // One router of the path: distances start at 1.
  struct Place {
    const Segment* segment;
    uint32_t position;
  };
  // REQUIRES: 1 <= distance <= hops.
  // Valid as long as the route.
  Place At(uint32_t distance) const&;
  Place At(uint32_t distance) const&& = delete;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_ROUTE_H_
