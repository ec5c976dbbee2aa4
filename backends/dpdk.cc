// The backend for cards that DPDK drives, past the kernel: any poll-mode
// driver, as many lanes as the card has pairs of queues.
#include <memory>
#include <utility>
#include <vector>

#include "backends/dpdk_device.h"
#include "backends/dpdk_port.h"
#include "backends/dpdk_rx.h"
#include "backends/dpdk_tx.h"
#include "backends/dpdk_way.h"
#include "backends/wire.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

constexpr size_t kEthernetMtu = 1500;

class DpdkBackend final : public WireBackend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(
      const BackendOptions& options);

  size_t lanes() const override { return tx_.size(); }
  TxQueue& tx(size_t lane) override { return *tx_[lane]; }
  RxQueue& rx(size_t lane) override { return *rx_[lane]; }
  BackendCounters counters() const override;

 private:
  DpdkBackend(WayOut way, std::unique_ptr<DpdkPort> port)
      : WireBackend(std::move(way)), port_(std::move(port)) {}

  void AddLane(const BackendOptions& options);

  const std::unique_ptr<DpdkPort> port_;  // Outlives its queues.
  std::vector<std::unique_ptr<DpdkTx>> tx_;
  std::vector<std::unique_ptr<DpdkRx>> rx_;
};

absl::StatusOr<std::unique_ptr<Backend>> DpdkBackend::Open(
    const BackendOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(DpdkDevice device, ParseDpdkDevice(options.device));
  FATHOM_ASSIGN_OR_RETURN(auto port,
                          DpdkPort::Open({.device = std::move(device),
                                          .lanes = options.lanes,
                                          .ring_frames = options.ring_frames}));
  FATHOM_ASSIGN_OR_RETURN(WayOut way, FindDpdkWay(*port, options));
  std::unique_ptr<DpdkBackend> backend(
      new DpdkBackend(std::move(way), std::move(port)));
  for (size_t i = 0; i < options.lanes; ++i) {
    backend->AddLane(options);
  }
  return backend;
}

void DpdkBackend::AddLane(const BackendOptions& options) {
  const size_t lane = tx_.size();
  // Where the kernel has no interface, a card takes more than any probe.
  const size_t mtu = interface().mtu == 0 ? kEthernetMtu : interface().mtu;
  tx_.push_back(std::make_unique<DpdkTx>(
      DpdkTx::Options{.port = port_.get(),
                      .lane = lane,
                      .frames = options.ring_frames,
                      .clock = &clock(),
                      .longest = link_header().size() + mtu}));
  DpdkTx* const answering =
      port_->shared_with_kernel() ? nullptr : tx_.back().get();
  rx_.push_back(std::make_unique<DpdkRx>(DpdkRx::Options{.port = port_.get(),
                                                         .lane = lane,
                                                         .address = source(),
                                                         .tcp = options.tcp,
                                                         .answering = answering,
                                                         .clock = &clock()}));
}

BackendCounters DpdkBackend::counters() const {
  BackendCounters counters;
  const DpdkPort::Counts counts = port_->ReadCounts();
  counters.rx_dropped = counts.rx_missed;
  counters.host_dropped = counts.rx_errors;
  counters.tx_failed = counts.tx_errors;
  uint64_t foreign = 0;
  uint64_t in_pieces = 0;
  for (const auto& rx : rx_) {
    foreign += rx->foreign();
    in_pieces += rx->in_pieces();
  }
  for (const auto& tx : tx_) counters.tx_failed += tx->failed();
  counters.own = {{"rx_foreign", foreign},
                  {"rx_in_pieces", in_pieces},
                  {"rx_no_buffer", counts.rx_no_buffer}};
  if (port_->interface_index() != 0) AddDeviceLoss(counters);
  for (const auto& [name, value] : counters.own) {
    // What the kernel sends into a tap and finds it full was for us.
    if (port_->kernel_is_peer() && name == "device_tx_dropped") {
      counters.host_dropped += value;
    }
  }
  return counters;
}

const Register<BackendModule> kDpdk({"dpdk",
                                     "a card that DPDK drives, past the kernel",
                                     &DpdkBackend::Open});

}  // namespace
}  // namespace fathom
