#ifndef FATHOM_SRC_LAB_FRAME_SENDER_H_
#define FATHOM_SRC_LAB_FRAME_SENDER_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"
#include "src/codec/headers.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// Sends packets over an interface, many with one system call. One thread.
class FrameSender {
 public:
  static absl::StatusOr<FrameSender> Open(const Interface& interface);

  FrameSender(FrameSender&&) = default;

  // Puts a packet into the next batch, to this MAC. A full batch is sent first.
  // The bytes must stay until Flush().
  absl::Status Add(std::span<const std::byte> packet, uint16_t type,
                   const MacAddress& to);

  // Sends the batch. What the interface does not take is lost, and counted.
  // Not OK: the interface is gone or down.
  absl::Status Flush();

  uint64_t sent() const { return sent_; }
  uint64_t lost() const { return lost_; }

 private:
  // More gain nothing: what costs is the kernel's work on each frame.
  static constexpr size_t kBatch = 64;

  // Apart, so that the pointers into it stay when the sender is moved.
  struct Batch {
    std::array<EthernetHeader, kBatch> headers;
    std::array<std::array<iovec, 2>, kBatch> parts;
    std::array<mmsghdr, kBatch> messages;
  };

  FrameSender(Interface interface, UniqueFd socket);

  Interface interface_;
  UniqueFd socket_;
  std::unique_ptr<Batch> batch_;
  size_t count_ = 0;  // Frames in the batch.
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_FRAME_SENDER_H_
