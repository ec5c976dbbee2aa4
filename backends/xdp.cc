// The backend for speed on any Linux interface: an XDP program hears, and where
// the driver can transmit XDP frames it sends as well. What it is made of is in
// backends/xdp/.
#include <bit>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/io_uring_tx.h"
#include "backends/wire.h"
#include "backends/xdp/af_xdp_tx.h"
#include "backends/xdp/hooks.h"
#include "backends/xdp/live_tx.h"
#include "backends/xdp/rx.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/net/xdp_features.h"

namespace fathom {
namespace {

constexpr size_t kMaxRingFrames = 32'768;

// So a ring of 2,048 frames takes 8 MiB, in which 90,000 answers of the usual
// length find room: what comes in during a tenth of a second in which nobody
// reads, at 900,000 a second.
constexpr size_t kBytesPerFrame = 4096;

absl::Status CheckOptions(const BackendOptions& options) {
  if (options.lanes == 0 || options.lanes > kMaxXdpLanes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "xdp: has 1 to ", kMaxXdpLanes, " lanes, not ", options.lanes));
  }
  if (options.ring_frames == 0 || options.ring_frames > kMaxRingFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("xdp: a ring has 1 to ", kMaxRingFrames, " frames, not ",
                     options.ring_frames));
  }
  return absl::OkStatus();
}

// The ways of sending, fastest first.
using Sender = std::variant<std::unique_ptr<LiveTx>, std::unique_ptr<AfXdpTx>,
                            std::unique_ptr<UringTx>>;

class XdpBackend final : public WireBackend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(
      const BackendOptions& options);

  size_t lanes() const override { return rx_.size(); }
  TxQueue& tx(size_t lane) override;
  RxQueue& rx(size_t lane) override { return *rx_[lane]; }
  BackendCounters counters() const override;

 private:
  using WireBackend::WireBackend;

  absl::Status OpenQueues(const BackendOptions& options);
  absl::StatusOr<Sender> OpenSender(size_t lane, size_t frames) const;

  std::unique_ptr<XdpHooks> hooks_;
  std::vector<Sender> tx_;
  std::vector<std::unique_ptr<XdpRx>> rx_;
};

absl::StatusOr<std::unique_ptr<Backend>> XdpBackend::Open(
    const BackendOptions& options) {
  FATHOM_RETURN_IF_ERROR(CheckOptions(options));
  FATHOM_ASSIGN_OR_RETURN(WayOut way, FindWay(options));
  std::unique_ptr<XdpBackend> backend(new XdpBackend(std::move(way)));
  FATHOM_ASSIGN_OR_RETURN(
      auto hooks,
      XdpHooks::Attach(
          {.interface = backend->interface(),
           .address = backend->source(),
           .tcp = options.tcp,
           .lanes = options.lanes,
           .ring_bytes = std::bit_ceil(options.ring_frames * kBytesPerFrame)}));
  backend->hooks_ = std::make_unique<XdpHooks>(std::move(hooks));
  FATHOM_RETURN_IF_ERROR(backend->OpenQueues(options));
  return backend;
}

absl::Status XdpBackend::OpenQueues(const BackendOptions& options) {
  for (size_t lane = 0; lane < options.lanes; ++lane) {
    FATHOM_ASSIGN_OR_RETURN(auto rx, XdpRx::Open({.interface = interface(),
                                                  .hooks = hooks_.get(),
                                                  .clock = &clock(),
                                                  .lane = lane,
                                                  .lanes = options.lanes}));
    rx_.push_back(std::move(rx));
    FATHOM_ASSIGN_OR_RETURN(Sender tx, OpenSender(lane, options.ring_frames));
    tx_.push_back(std::move(tx));
  }
  return absl::OkStatus();
}

absl::StatusOr<Sender> XdpBackend::OpenSender(size_t lane,
                                              size_t frames) const {
  // Asked now, since the program that has come may have changed it.
  const auto features = ReadXdpFeatures(interface());
  // Only the packet socket tells of frames that are longer than the MTU.
  const bool any_fits = interface().mtu >= kMaxProbeSize;
  if (any_fits && features.ok() && features->transmit) {
    return LiveTx::Open({.interface = interface(),
                         .hooks = hooks_.get(),
                         .clock = &clock(),
                         .lane = lane,
                         .frames = frames});
  }
  // Tun and tap need the queueing discipline, which AF_XDP passes by.
  if (any_fits && interface().driver != "tun") {
    auto af_xdp = AfXdpTx::Open({.interface = interface(),
                                 .clock = &clock(),
                                 .lane = lane,
                                 .frames = frames});
    if (af_xdp.ok()) return *std::move(af_xdp);
  }
  return UringTx::Open(
      {.interface = interface(), .frames = frames, .clock = &clock()});
}

TxQueue& XdpBackend::tx(size_t lane) {
  return std::visit([](const auto& tx) -> TxQueue& { return *tx; }, tx_[lane]);
}

BackendCounters XdpBackend::counters() const {
  BackendCounters counters;
  uint64_t retried = 0;
  for (const auto& rx : rx_) counters.rx_dropped += rx->dropped();
  for (const Sender& sender : tx_) {
    std::visit(
        [&](const auto& tx) {
          counters.tx_failed += tx->failed();
          retried += tx->retried();
        },
        sender);
  }
  counters.own = {{"tx_retried", retried}};
  AddDeviceLoss(counters);
  return counters;
}

const Register<BackendModule> kXdp(
    {"xdp", "XDP programs that send and hear: any Linux interface, fast",
     &XdpBackend::Open});

}  // namespace
}  // namespace fathom
