#ifndef FATHOM_BACKENDS_IO_URING_TX_H_
#define FATHOM_BACKENDS_IO_URING_TX_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/uring.h"
#include "fathom/packet_io.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"
#include "src/net/wall_clock.h"

namespace fathom {

// Sends frames by io_uring on a packet socket.
//
// Frames are slots of one buffer, 256 bytes each. The kernel copies a frame as
// it takes it, mostly before Send() returns, and then its slot is free. The
// last slot freed is the first lent, so that few slots stay in the cache.
//
// Frames leave in order, but one that the device had no room for is sent again
// after those behind it. If there is no room 64 times over, the frame is given
// up and counted, and if the interface has lost its carrier, so is the device.
class UringTx final : public TxQueue {
 public:
  struct Options {
    Interface interface;
    size_t frames;
    const WallClock* clock;  // Outlives the queue.
  };

  static absl::StatusOr<std::unique_ptr<UringTx>> Open(const Options& options);

  std::span<TxFrame> Lend(size_t want) override;
  absl::Status Send(size_t count) override;
  absl::Status Drain(Nanos patience) override;

  // Any thread may ask.
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  uint64_t retried() const { return retried_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    uint32_t length = 0;
    uint8_t tries = 0;
    bool under_way = false;  // In the hands of the kernel.
  };

  UringTx(const Options& options, UniqueFd socket, std::unique_ptr<Uring> ring);

  absl::Status Adopt();
  absl::Status Queue(uint32_t slot);
  absl::Status Submit();
  absl::Status SendAgain();
  void Reap();
  void Finish(uint32_t slot, int result);
  void GiveUp(uint32_t slot, int error);

  const Interface interface_;
  const WallClock& clock_;
  const UniqueFd socket_;
  const std::unique_ptr<Uring> ring_;
  const std::unique_ptr<std::byte[]> buffer_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;    // The last is lent first.
  std::vector<uint32_t> again_;   // Wait for another try.
  std::vector<uint32_t> trying_;  // Empty but in SendAgain().
  std::vector<TxFrame> lent_;
  size_t lent_count_ = 0;
  size_t under_way_ = 0;
  absl::Status lost_;  // Not OK once the device is gone.
  // Written by the queue's thread only.
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> retried_{0};
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_IO_URING_TX_H_
