#include "bench/dropping_wire.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <span>
#include <sstream>

#include "src/base/status_macros.h"
#include "src/codec/headers.h"
#include "src/net/xdp_verdict.h"

namespace fathom {

absl::StatusOr<DroppingWire> DroppingWire::Make(bool threaded) {
  FATHOM_ASSIGN_OR_RETURN(Netns netns, Netns::Make());
  FATHOM_RETURN_IF_ERROR(
      netns.AddVeth("veth0", "10.0.0.2/24", "peer0", "10.0.0.1/24"));
  FATHOM_RETURN_IF_ERROR(netns.Ip("route add default via 10.0.0.1"));
  FATHOM_RETURN_IF_ERROR(netns.CheckIsolated());
  FATHOM_ASSIGN_OR_RETURN(const Interface near, FindInterface("veth0"));
  absl::StatusOr<Interface> far;
  absl::Status dropping;
  netns.OnFarSide([&] {
    far = FindInterface("peer0");
    dropping = AttachXdpVerdict("peer0", XdpVerdict::kDrop);
  });
  FATHOM_RETURN_IF_ERROR(far.status());
  FATHOM_RETURN_IF_ERROR(dropping);
  if (threaded &&
      !netns
           .FarRun("unshare -m sh -c 'mount -t sysfs none /sys && "
                   "echo 1 >/sys/class/net/peer0/threaded' 2>/dev/null")
           .ok()) {
    std::puts("no threaded NAPI here");
  }
  return DroppingWire(std::move(netns), near, far->mac);
}

std::vector<std::byte> DroppingWire::link_header() const {
  EthernetHeader header = {};
  std::copy(far_mac_.begin(), far_mac_.end(), header.destination);
  std::copy(near_.mac.begin(), near_.mac.end(), header.source);
  header.type = kEtherTypeIpv4;
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return {bytes.begin(), bytes.end()};
}

uint64_t DroppingWire::Arrived() const {
  uint64_t packets = 0;
  netns_.OnFarSide([&packets] {
    std::ifstream file("/proc/thread-self/net/dev");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string name;
      uint64_t bytes = 0;
      uint64_t count = 0;
      words >> name >> bytes >> count;
      if (name == "peer0:") packets = count;
    }
  });
  return packets;
}

}  // namespace fathom
