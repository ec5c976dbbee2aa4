// The backend that runs on every Linux machine with an Ethernet card or a
// tunnel: packet sockets, which send by io_uring and receive through memory
// shared with the kernel. A lane is a socket each way.
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/io_uring_tx.h"
#include "backends/packet_ring_rx.h"
#include "backends/wire.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// The kernel's limit for a completion queue is 65,536; no device holds as many
// frames as this.
constexpr size_t kMaxRingFrames = 32'768;

// Who sends no more than this at once has few answers to expect.
constexpr size_t kFewFrames = 256;

// As many sockets as the kernel lets share an interface.
constexpr size_t kMaxLanes = 256;

class IoUringBackend final : public WireBackend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(
      const BackendOptions& options);

  size_t lanes() const override { return tx_.size(); }
  TxQueue& tx(size_t lane) override { return *tx_[lane]; }
  RxQueue& rx(size_t lane) override { return *rx_[lane]; }
  BackendCounters counters() const override;

 private:
  using WireBackend::WireBackend;

  std::vector<std::unique_ptr<UringTx>> tx_;
  std::vector<std::unique_ptr<PacketRingRx>> rx_;
};

absl::Status CheckOptions(const BackendOptions& options) {
  if (options.lanes == 0 || options.lanes > kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "io_uring: has 1 to ", kMaxLanes, " lanes, not ", options.lanes));
  }
  if (options.ring_frames == 0 || options.ring_frames > kMaxRingFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("io_uring: a ring has 1 to ", kMaxRingFrames,
                     " frames, not ", options.ring_frames));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Backend>> IoUringBackend::Open(
    const BackendOptions& options) {
  FATHOM_RETURN_IF_ERROR(CheckOptions(options));
  FATHOM_ASSIGN_OR_RETURN(WayOut way, FindWay(options));
  std::unique_ptr<IoUringBackend> backend(new IoUringBackend(std::move(way)));
  // The receivers first, so that no answer comes before them.
  FATHOM_ASSIGN_OR_RETURN(
      backend->rx_,
      PacketRingRx::Open({.interface = backend->interface(),
                          .address = backend->source(),
                          .tcp = options.tcp,
                          .clock = &backend->clock(),
                          .small = options.ring_frames <= kFewFrames},
                         options.lanes));
  for (size_t lane = 0; lane < options.lanes; ++lane) {
    FATHOM_ASSIGN_OR_RETURN(auto tx,
                            UringTx::Open({.interface = backend->interface(),
                                           .frames = options.ring_frames,
                                           .clock = &backend->clock()}));
    backend->tx_.push_back(std::move(tx));
  }
  return backend;
}

BackendCounters IoUringBackend::counters() const {
  BackendCounters counters;
  uint64_t retried = 0;
  for (const auto& rx : rx_) counters.rx_dropped += rx->TakeDropped();
  for (const auto& tx : tx_) {
    counters.tx_failed += tx->failed();
    retried += tx->retried();
  }
  counters.own = {{"tx_retried", retried}};
  AddDeviceLoss(counters);
  return counters;
}

const Register<BackendModule> kIoUring(
    {"io_uring", "packet sockets driven by io_uring: any Linux interface",
     &IoUringBackend::Open});

}  // namespace
}  // namespace fathom
