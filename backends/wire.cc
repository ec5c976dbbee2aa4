#include "backends/wire.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/net/link_socket.h"

namespace fathom {

WireBackend::WireBackend(WayOut way)
    : way_(std::move(way)), loss_before_(ReadDeviceLoss(way_.interface)) {
  EthernetHeader header = {};
  std::memcpy(header.destination, way_.next_hop_mac.data(),
              way_.next_hop_mac.size());
  std::memcpy(header.source, way_.interface.mac.data(),
              way_.interface.mac.size());
  header.type =
      way_.source.family() == Family::kIpv4 ? kEtherTypeIpv4 : kEtherTypeIpv6;
  Store(header, link_header_);
}

absl::StatusOr<WayOut> WireBackend::FindWay(const BackendOptions& options) {
  return FindWayOut({.toward = options.toward,
                     .device = options.device,
                     .source = options.source,
                     .gateway = options.gateway,
                     .gateway_mac = options.gateway_mac});
}

std::span<const std::byte> WireBackend::link_header() const {
  return std::span(link_header_).first(LinkHeaderSize(way_.interface));
}

std::string WireBackend::Describe() const {
  std::string start =
      absl::StrCat(way_.interface.name, ", ", way_.source.ToString());
  if (!way_.next_hop) return start;
  return absl::StrCat(start, ", gateway ", way_.next_hop->ToString(), " at ",
                      MacToString(way_.next_hop_mac));
}

void WireBackend::AddDeviceLoss(BackendCounters& counters) const {
  const DeviceLoss loss = ReadDeviceLoss(way_.interface) - loss_before_;
  counters.host_dropped += loss.rx_missed + loss.softnet_dropped;
  counters.own.emplace_back("device_rx_missed", loss.rx_missed);
  counters.own.emplace_back("device_rx_dropped", loss.rx_dropped);
  counters.own.emplace_back("device_tx_dropped", loss.tx_dropped);
  counters.own.emplace_back("softnet_dropped", loss.softnet_dropped);
}

}  // namespace fathom
