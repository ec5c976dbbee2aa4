#ifndef FATHOM_BACKENDS_PACKET_RING_RX_H_
#define FATHOM_BACKENDS_PACKET_RING_RX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "src/base/mapping.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"
#include "src/net/wall_clock.h"

namespace fathom {

// Receives frames through memory that is shared with the kernel
// (PACKET_RX_RING, version 3), a block of some 400 replies at a time.
//
// The kernel copies a packet into the ring where it comes in, and that is all:
// no packet is queued, no system call reads it, and the reader is woken once a
// block, when that is full or 2 ms old. So a reply takes 160 bytes of the ring,
// where a socket's buffer reckons with 800, and no privilege is needed to have
// a large one. Arrivals are stamped as they come in, whenever they are read.
class PacketRingRx final : public RxQueue {
 public:
  struct Options {
    Interface interface;
    IpAddress address;       // Packets to others are left alone.
    bool tcp;                // Whether TCP may answer, too.
    const WallClock* clock;  // Outlives the queues.
    bool small = false;      // 4 MB a queue: quicker to make, for few packets.
  };

  // Queues that share what comes in: each packet goes to one of them.
  static absl::StatusOr<std::vector<std::unique_ptr<PacketRingRx>>> Open(
      const Options& options, size_t queues);

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override;

  // Packets that found the ring full. Any thread may ask.
  uint64_t TakeDropped() const;

 private:
  PacketRingRx(const Options& options, UniqueFd socket, Mapping memory)
      : interface_(options.interface),
        clock_(*options.clock),
        socket_(std::move(socket)),
        memory_(std::move(memory)) {}

  static absl::StatusOr<std::unique_ptr<PacketRingRx>> Make(
      const Options& options, size_t blocks);

  std::span<std::byte> Block() const;
  bool Filled() const;
  void GiveBack();
  void LendBlock();
  absl::Status Wait(Nanos patience);

  const Interface interface_;
  const WallClock& clock_;
  const UniqueFd socket_;
  const Mapping memory_;
  size_t next_ = 0;          // The block to look at.
  bool lent_block_ = false;  // It is the caller's.
  std::vector<RxFrame> lent_;
  absl::Status going_;  // Not OK once the kernel has said so.
  absl::Status lost_;   // Not OK once all before that is lent.
  mutable std::atomic<uint64_t> dropped_{0};
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_PACKET_RING_RX_H_
