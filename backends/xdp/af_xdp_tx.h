#ifndef FATHOM_BACKENDS_XDP_AF_XDP_TX_H_
#define FATHOM_BACKENDS_XDP_AF_XDP_TX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/xdp/xsk.h"
#include "fathom/packet_io.h"
#include "src/base/counter.h"
#include "src/net/neighbor.h"
#include "src/net/wall_clock.h"

namespace fathom {

// Sends by an AF_XDP socket in copy mode: half as fast again as by a packet
// socket, and whatever the driver can do. The kernel makes a packet of each
// frame in the memory that is shared, and tells when it has left. The last
// frame that came back is the first lent.
//
// What the device has no room for stays in the ring, in order. What it drops
// is counted as failed.
class AfXdpTx final : public TxQueue {
 public:
  struct Options {
    Interface interface;
    const WallClock* clock;  // Outlives the queue.
    size_t lane;
    size_t frames;  // Rounded up to a power of two.
  };

  // Lane n sends from queue n of the interface. Not OK where that, or AF_XDP,
  // is not to be had.
  static absl::StatusOr<std::unique_ptr<AfXdpTx>> Open(const Options& options);

  std::span<TxFrame> Lend(size_t want) override;
  absl::Status Send(size_t count) override;
  absl::Status Drain(Nanos patience) override;

  // Any thread may ask.
  uint64_t failed() const { return failed_.value(); }
  uint64_t retried() const { return retried_.value(); }

 private:
  AfXdpTx(const Options& options, XskSender socket);

  void Reap();
  absl::Status Transmit();
  absl::Status HandleDrop();

  const Interface interface_;
  const WallClock& clock_;
  const XskSender socket_;
  const size_t count_;          // Of frames.
  std::vector<uint32_t> free_;  // The last is lent first.
  std::vector<TxFrame> lent_;
  size_t lent_count_ = 0;
  uint32_t produced_ = 0;  // Frames put in the ring.
  uint32_t reaped_ = 0;    // Frames that have come back.
  Instant checked_{};      // When the interface was last looked at.
  absl::Status lost_;      // Not OK once the device is gone.
  Counter failed_;
  Counter retried_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_AF_XDP_TX_H_
