// The backend that runs on every Linux machine with an Ethernet card or a
// tunnel: packet sockets, driven by io_uring. One lane.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/io_uring_rx.h"
#include "backends/io_uring_tx.h"
#include "backends/wire.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// The kernel's limit for a ring of provided buffers.
constexpr size_t kMaxRingFrames = 32'768;

class IoUringBackend final : public WireBackend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(
      const BackendOptions& options);

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t) override { return *tx_; }
  RxQueue& rx(size_t) override { return *rx_; }
  BackendCounters counters() const override;

 private:
  using WireBackend::WireBackend;

  std::unique_ptr<UringTx> tx_;
  std::unique_ptr<UringRx> rx_;
};

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
  FATHOM_ASSIGN_OR_RETURN(WayOut way, FindWay(options));
  std::unique_ptr<IoUringBackend> backend(new IoUringBackend(std::move(way)));
  // The receiver first, so that no answer comes before it.
  FATHOM_ASSIGN_OR_RETURN(backend->rx_,
                          UringRx::Open({.interface = backend->interface(),
                                         .address = backend->source(),
                                         .frames = options.ring_frames,
                                         .clock = &backend->clock()}));
  FATHOM_ASSIGN_OR_RETURN(backend->tx_,
                          UringTx::Open({.interface = backend->interface(),
                                         .frames = options.ring_frames,
                                         .clock = &backend->clock()}));
  return backend;
}

BackendCounters IoUringBackend::counters() const {
  BackendCounters counters;
  counters.rx_dropped = rx_->TakeDropped();
  counters.tx_failed = tx_->failed();
  counters.own = {{"tx_retried", tx_->retried()},
                  {"rx_rearmed", rx_->rearmed()}};
  AddDeviceLoss(counters);
  return counters;
}

const Register<BackendModule> kIoUring(
    {"io_uring", "packet sockets driven by io_uring: any Linux interface",
     &IoUringBackend::Open});

}  // namespace
}  // namespace fathom
