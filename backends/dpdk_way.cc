#include "backends/dpdk_way.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "backends/arp.h"
#include "backends/dpdk_tx.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

// A gateway is asked this often, and given this long each time.
constexpr int kTries = 6;
constexpr Nanos kPatience = milliseconds(500);
constexpr Nanos kNap = milliseconds(1);

// Reads what has come in until `deadline` for the MAC of `address`.
std::optional<MacAddress> HearMac(const DpdkPort& port,
                                  const IpAddress& address,
                                  const WallClock& clock, Instant deadline) {
  std::optional<MacAddress> mac;
  std::array<rte_mbuf*, 32> frames{};
  while (!mac && clock.Now() < deadline) {
    const uint16_t count =
        rte_eth_rx_burst(port.id(), 0, frames.data(), frames.size());
    if (count == 0) std::this_thread::sleep_for(kNap);
    for (uint16_t i = 0; i < count; ++i) {
      const auto told = ReadArp(
          {rte_pktmbuf_mtod(frames[i], std::byte*), frames[i]->data_len},
          address);
      if (told) mac = told;
    }
    rte_pktmbuf_free_bulk(frames.data(), count);
  }
  return mac;
}

// With several lanes the answer may come to another than the first. It is of
// no IP address that RSS could hash, and such frames go to the first.
absl::StatusOr<MacAddress> AskForMac(const DpdkPort& port,
                                     const IpAddress& source,
                                     const IpAddress& gateway) {
  const WallClock clock;
  DpdkTx tx({.port = &port, .lane = 0, .frames = 1, .clock = &clock});
  const ArpFrame request =
      MakeArpRequest({.mac = port.mac(), .address = source}, gateway);
  for (int i = 0; i < kTries; ++i) {
    tx.SendAside(std::as_bytes(std::span(&request, 1)));
    const auto mac = HearMac(port, gateway, clock, clock.Now() + kPatience);
    if (mac) return *mac;
  }
  return absl::NotFoundError(absl::StrCat(port.name(), ": no answer from ",
                                          gateway.ToString(),
                                          " to who it is (ARP)"));
}

absl::Status Missing(const DpdkPort& port, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "dpdk: the kernel knows nothing of ", port.name(), "; give ", what));
}

absl::StatusOr<WayOut> FindOwnWay(const DpdkPort& port,
                                  const BackendOptions& options) {
  WayOut way;
  way.interface.index = port.interface_index();
  way.interface.name = port.name();
  way.interface.mac = port.mac();
  if (!options.source) return Missing(port, "the source address (--source)");
  way.source = *options.source;
  if (options.toward != IpAddress() &&
      options.toward.family() != way.source.family()) {
    return absl::InvalidArgumentError(
        absl::StrCat("dpdk: the targets are not of the family of the source, ",
                     way.source.ToString()));
  }
  const bool ipv6 = way.source.family() == Family::kIpv6;
  if (ipv6 && options.gateway_mac.empty()) {
    return Missing(port,
                   "the gateway's MAC (--gateway-mac), which is asked for over "
                   "IPv4 only");
  }
  if (!options.gateway && options.gateway_mac.empty()) {
    return Missing(port, "the gateway (--gateway) or its MAC (--gateway-mac)");
  }
  way.next_hop = options.gateway.value_or(options.toward);
  if (options.gateway_mac.empty()) {
    FATHOM_ASSIGN_OR_RETURN(way.next_hop_mac,
                            AskForMac(port, way.source, *way.next_hop));
    return way;
  }
  const auto mac = ParseMac(options.gateway_mac);
  if (!mac) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options.gateway_mac, "\" is not a MAC address"));
  }
  way.next_hop_mac = *mac;
  return way;
}

}  // namespace

absl::StatusOr<WayOut> FindDpdkWay(const DpdkPort& port,
                                   const BackendOptions& options) {
  if (!port.shared_with_kernel()) return FindOwnWay(port, options);
  FATHOM_ASSIGN_OR_RETURN(const Interface interface,
                          FindInterface(port.interface_index()));
  return FindWayOut({.toward = options.toward,
                     .device = interface.name,
                     .source = options.source,
                     .gateway = options.gateway,
                     .gateway_mac = options.gateway_mac});
}

}  // namespace fathom
