#ifndef FATHOM_SRC_NET_NEIGHBOR_H_
#define FATHOM_SRC_NET_NEIGHBOR_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom {

// The way out of this machine: which interface leads to a target, from which
// address, and to whose MAC frames go. Asked of the kernel by rtnetlink, in
// the network namespace of the calling thread.
//
// A scan has one way out. All its frames go to one next hop, which forwards
// them; targets on the local network itself are reached only as far as that
// next hop sends packets back in.

using MacAddress = std::array<uint8_t, 6>;

// Reads "02:00:00:00:00:01"; nullopt if `text` is anything else.
std::optional<MacAddress> ParseMac(std::string_view text);
std::string MacToString(const MacAddress& mac);

enum class LinkLayer : uint8_t {
  kEthernet,  // Ethernet, and loopback, whose frames look the same.
  kNone,      // Frames begin with the IP header: tun.
};

struct Interface {
  int index = 0;
  std::string name;
  std::string driver;  // "veth", "tun"; empty for hardware and loopback.
  LinkLayer link_layer = LinkLayer::kEthernet;
  MacAddress mac{};  // Zero for loopback and where there are no MACs.
  uint32_t mtu = 0;
  bool loopback = false;
  bool up = false;       // As the administrator wants it.
  bool running = false;  // It has a carrier.

  // What `ip link` shows after the @: the other end of a veth, by its index in
  // its own namespace; 0 if there is none.
  int peer_index = 0;
};

// NotFound: "interface veth9: no such device". Unimplemented: the interface is
// neither Ethernet nor without link header.
absl::StatusOr<Interface> FindInterface(const std::string& name);
absl::StatusOr<Interface> FindInterface(int index);

// Not OK, and says why, if nothing can be sent over the interface now: "is
// down", "has no carrier".
absl::Status CheckUsable(const Interface& interface);

struct Route {
  int interface_index = 0;
  std::optional<IpAddress> source;   // The kernel's choice, if it has one.
  std::optional<IpAddress> gateway;  // None: the destination is on-link.
};

// The route to `destination`, through the interface `interface_index` if that
// is not 0. Unavailable: "no route to 10.1.2.3".
absl::StatusOr<Route> FindRoute(const IpAddress& destination,
                                int interface_index);

// The MAC of a neighbour: from the kernel's cache, or else the kernel is told
// to ask for it (ARP, or neighbour discovery), and its answer is waited for,
// at most `patience`. NotFound: the neighbour does not answer.
absl::StatusOr<MacAddress> FindNeighbor(const Interface& interface,
                                        const IpAddress& address,
                                        Nanos patience);

// An address of the interface that the whole network may know; nullopt if it
// has none.
absl::StatusOr<std::optional<IpAddress>> FindGlobalAddress(
    const Interface& interface, Family family);

struct WayOutOptions {
  // A target, which says the family; the default address is none.
  IpAddress toward = {};
  std::string device = {};               // Empty: the one that the route names.
  std::optional<IpAddress> source = {};  // Unset: the one that the route names.
  std::optional<IpAddress> gateway =
      {};                        // Unset: the one that the route names.
  std::string gateway_mac = {};  // Empty: looked up.
  Nanos patience = std::chrono::seconds(3);  // For the gateway's MAC.
};

struct WayOut {
  Interface interface;
  IpAddress source;
  // To whom frames are handed: the gateway given, else the route's, else the
  // target itself, which is right for a single neighbour only. None where
  // frames have no address: tun, loopback.
  std::optional<IpAddress> next_hop;
  MacAddress next_hop_mac{};
};

// Finds the way out. What the options give is used instead of what the kernel
// says; a source need not be an address of this machine. The interface found
// is usable.
absl::StatusOr<WayOut> FindWayOut(const WayOutOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_NEIGHBOR_H_
