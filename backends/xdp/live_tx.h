#ifndef FATHOM_BACKENDS_XDP_LIVE_TX_H_
#define FATHOM_BACKENDS_XDP_LIVE_TX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/xdp/af_xdp_tx.h"
#include "backends/xdp/hooks.h"
#include "fathom/packet_io.h"
#include "src/base/counter.h"
#include "src/net/wall_clock.h"

namespace fathom {

// Sends by frames that the kernel makes as it would those that come in ("live
// frames" of BPF_PROG_RUN): for each, our program copies the next slot into it
// and has the driver transmit it. No packet of the stack is made, which is most
// of what sending costs. The driver must be able to transmit XDP frames.
//
// A run costs 12 microseconds before the first frame, so few frames go by an
// AF_XDP socket instead, where there is one to be had.
//
// Slots are lent in place and are free again when Send() returns, but for those
// that the driver had no room for. These go first the next time; if it has none
// for a tenth of a second they are given up and counted.
class LiveTx final : public TxQueue {
 public:
  struct Options {
    Interface interface;
    const XdpHooks* hooks;   // Outlives the queue.
    const WallClock* clock;  // Outlives the queue.
    size_t lane;
    size_t frames;
  };

  static absl::StatusOr<std::unique_ptr<LiveTx>> Open(const Options& options);

  std::span<TxFrame> Lend(size_t want) override;
  absl::Status Send(size_t count) override;
  absl::Status Drain(Nanos patience) override;

  // Any thread may ask.
  uint64_t failed() const {
    return failed_.value() + (few_ ? few_->failed() : 0);
  }
  uint64_t retried() const {
    return retried_.value() + (few_ ? few_->retried() : 0);
  }

 private:
  LiveTx(const Options& options, std::unique_ptr<AfXdpTx> few);

  absl::Status Flush();
  absl::Status Run();
  absl::Status SendFew();
  void Settle();
  absl::Status Judge(Instant now);

  const Interface interface_;
  const XdpHooks& hooks_;
  const WallClock& clock_;
  const std::unique_ptr<AfXdpTx> few_;  // Or null.
  XdpLane& lane_;
  const size_t frames_;
  const uint32_t lane_index_;
  std::vector<TxFrame> lent_;
  size_t lent_count_ = 0;
  size_t waiting_ = 0;  // Slots at the start that are to be sent.
  bool fresh_ = false;  // They have not been tried yet.
  Instant progress_{};  // When a frame last left, while some wait.
  Instant checked_{};   // When the interface was last looked at.
  absl::Status lost_;   // Not OK once the device is gone.
  Counter failed_;
  Counter retried_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_LIVE_TX_H_
