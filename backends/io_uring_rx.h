#ifndef FATHOM_BACKENDS_IO_URING_RX_H_
#define FATHOM_BACKENDS_IO_URING_RX_H_

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
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

// Receives frames by io_uring on a packet socket.
//
// One request stands for all packets (multishot): each takes a buffer out of a
// ring that both sides know, and it goes back there at the next Receive(). The
// kernel writes only while the queue's thread waits; between, packets stay in
// the socket. When buffers run out the request ends, and is made again once
// there are some: nothing is lost by that, only by a full socket.
class UringRx final : public RxQueue {
 public:
  struct Options {
    Interface interface;
    IpAddress address;       // Packets to others are left alone.
    size_t frames;           // At most 32,768; rounded up to a power of two.
    const WallClock* clock;  // Outlives the queue.
  };

  static absl::StatusOr<std::unique_ptr<UringRx>> Open(const Options& options);

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override;

  // Packets that found the socket full. Any thread may ask.
  uint64_t TakeDropped() const;
  // How often the request had to be made again. Any thread may ask.
  uint64_t rearmed() const { return rearmed_.load(std::memory_order_relaxed); }

 private:
  struct Free {
    void operator()(void* memory) const { free(memory); }
  };
  template <typename T>
  using Pages = std::unique_ptr<T, Free>;

  struct Memory {
    Pages<io_uring_buf_ring> ring;
    Pages<std::byte> buffers;
  };

  UringRx(const Options& options, UniqueFd socket, Memory memory,
          std::unique_ptr<Uring> ring);

  static absl::StatusOr<Memory> Allocate(size_t count);

  absl::Status Adopt();
  absl::Status Arm();
  absl::Status Wait(Nanos patience);
  void Collect();
  void Take(const io_uring_cqe& completion);
  void Lend(uint16_t buffer, size_t length);
  void End(int error);
  void GiveBack(std::span<const uint16_t> buffers);

  std::byte* Start(uint16_t buffer) const;

  const Interface interface_;
  const WallClock& clock_;
  const size_t link_header_;
  const size_t count_;  // Of buffers; a power of two.
  const UniqueFd socket_;
  const Memory memory_;
  const std::unique_ptr<Uring> ring_;
  msghdr shape_ = {};  // What each buffer has room for, besides the packet.
  bool armed_ = false;
  std::vector<RxFrame> lent_;
  std::vector<uint16_t> used_;  // Buffers to give back.
  absl::Status going_;          // Not OK once the kernel has said so.
  absl::Status lost_;           // Not OK once all before that is lent.
  Nanos offset_{0};             // From the kernel's stamps to our clock.
  mutable std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> rearmed_{0};  // Written by the queue's thread only.
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_IO_URING_RX_H_
