#ifndef FATHOM_SRC_LAB_FRAME_RING_H_
#define FATHOM_SRC_LAB_FRAME_RING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/base/mapping.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// Receives whole frames through memory that is shared with the kernel
// (PACKET_RX_RING, version 2): no system call and no copy of ours for a frame,
// and the kernel stamps each as it arrives. Version 3 hands over blocks, the
// last frames of a burst only after a millisecond or more, and the first hops
// of a path are nearer than that.

// A frame that came in. The receiver may write to the packet.
struct HeardFrame {
  std::span<std::byte> packet;    // From behind the link header on.
  Nanos stamp;                    // CLOCK_REALTIME, since 1970.
  MacAddress from{};              // Zero where there are no MACs.
  uint16_t type = 0;              // The EtherType.
  bool to_us = false;             // To our MAC or to all, and without VLAN tag.
  bool partial_checksum = false;  // See CompleteChecksum().
};

// One thread.
class FrameRing {
 public:
  // `frames` is a power of two from 512 on; each takes 2 KiB.
  static absl::StatusOr<FrameRing> Open(const Interface& interface,
                                        size_t frames);

  // The next frame; nullopt if none has come in. Valid until the next call.
  std::optional<HeardFrame> Next();

  // Waits for a frame, for `patience` or less. Not OK: the interface is gone.
  absl::Status Wait(Nanos patience) const;

  // Frames that found all of the ring in use, since the last call.
  uint32_t TakeDropped() const;

 private:
  FrameRing(Interface interface, UniqueFd socket, Mapping memory)
      : interface_(std::move(interface)),
        socket_(std::move(socket)),
        memory_(std::move(memory)) {}

  std::span<std::byte> Slot() const;

  Interface interface_;
  UniqueFd socket_;
  Mapping memory_;
  size_t next_ = 0;    // The slot to look at.
  bool lent_ = false;  // It is the caller's.
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_FRAME_RING_H_
