// The backend that runs on every Linux machine with an Ethernet card or a
// tunnel: packet sockets, driven by io_uring. One lane.
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/io_uring_rx.h"
#include "backends/io_uring_tx.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/codec/headers.h"
#include "src/net/link_socket.h"
#include "src/net/neighbor.h"
#include "src/net/wall_clock.h"

namespace fathom {
namespace {

// The kernel's limit for a ring of provided buffers.
constexpr size_t kMaxRingFrames = 32'768;

class IoUringBackend final : public Backend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(
      const BackendOptions& options);

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t) override { return *tx_; }
  RxQueue& rx(size_t) override { return *rx_; }

  std::span<const std::byte> link_header() const override {
    return std::span(link_header_).first(LinkHeaderSize(way_.interface));
  }

  IpAddress source() const override { return way_.source; }
  std::string Describe() const override;
  Instant Now() const override { return clock_.Now(); }
  BackendCounters counters() const override;

 private:
  explicit IoUringBackend(WayOut way);

  const WayOut way_;
  const WallClock clock_;
  std::array<std::byte, sizeof(EthernetHeader)> link_header_{};
  std::unique_ptr<UringTx> tx_;
  std::unique_ptr<UringRx> rx_;
};

IoUringBackend::IoUringBackend(WayOut way) : way_(std::move(way)) {
  EthernetHeader header = {};
  std::memcpy(header.destination, way_.next_hop_mac.data(),
              way_.next_hop_mac.size());
  std::memcpy(header.source, way_.interface.mac.data(),
              way_.interface.mac.size());
  header.type = kEtherTypeIpv4;
  Store(header, link_header_);
}

absl::StatusOr<std::unique_ptr<Backend>> IoUringBackend::Open(
    const BackendOptions& options) {
  if (options.lanes != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("io_uring: has one lane, not ", options.lanes));
  }
  if (options.ring_frames == 0 || options.ring_frames > kMaxRingFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("io_uring: a ring has 1 to ", kMaxRingFrames,
                     " frames, not ", options.ring_frames));
  }
  FATHOM_ASSIGN_OR_RETURN(WayOut way,
                          FindWayOut({.toward = options.toward,
                                      .device = options.device,
                                      .source = options.source,
                                      .gateway = options.gateway,
                                      .gateway_mac = options.gateway_mac}));
  std::unique_ptr<IoUringBackend> backend(new IoUringBackend(std::move(way)));
  const Interface& interface = backend->way_.interface;
  // The receiver first, so that no answer comes before it.
  FATHOM_ASSIGN_OR_RETURN(backend->rx_,
                          UringRx::Open({.interface = interface,
                                         .address = backend->way_.source,
                                         .frames = options.ring_frames,
                                         .clock = &backend->clock_}));
  FATHOM_ASSIGN_OR_RETURN(backend->tx_,
                          UringTx::Open({.interface = interface,
                                         .frames = options.ring_frames,
                                         .clock = &backend->clock_}));
  return backend;
}

std::string IoUringBackend::Describe() const {
  std::string start =
      absl::StrCat(way_.interface.name, ", ", way_.source.ToString());
  if (!way_.next_hop) return start;
  return absl::StrCat(start, ", gateway ", way_.next_hop->ToString(), " at ",
                      MacToString(way_.next_hop_mac));
}

BackendCounters IoUringBackend::counters() const {
  BackendCounters counters;
  counters.rx_dropped = rx_->TakeDropped();
  counters.tx_failed = tx_->failed();
  counters.own = {{"tx_retried", tx_->retried()},
                  {"rx_rearmed", rx_->rearmed()}};
  return counters;
}

const Register<BackendModule> kIoUring(
    {"io_uring", "packet sockets driven by io_uring: any Linux interface",
     &IoUringBackend::Open});

}  // namespace
}  // namespace fathom
