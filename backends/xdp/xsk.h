#ifndef FATHOM_BACKENDS_XDP_XSK_H_
#define FATHOM_BACKENDS_XDP_XSK_H_

#include <linux/if_xdp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/mapping.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom {

// A ring that the kernel shares, of which one side adds and the other takes.
// Positions only grow; an entry is its position modulo the size.
template <typename T>
struct XskRing {
  Mapping memory;
  uint32_t* producer = nullptr;
  uint32_t* consumer = nullptr;
  T* entries = nullptr;
  uint32_t mask = 0;

  uint32_t produced() const {
    return std::atomic_ref(*producer).load(std::memory_order_acquire);
  }
  uint32_t consumed() const {
    return std::atomic_ref(*consumer).load(std::memory_order_acquire);
  }
};

// An AF_XDP socket that sends from one queue of an interface, and receives
// nothing. The kernel copies each frame (copy mode), since without a copy it
// would have the queue's received frames go to the socket as well.
struct XskSender {
  UniqueFd fd;
  Mapping frames;  // kXskFrameSize each; a power of two of them.
  XskRing<xdp_desc> tx;
  XskRing<uint64_t> completion;  // Where the frames begin that have left.
};

inline constexpr uint32_t kXskFrameSize = 2048;  // No smaller ones are allowed.

// Unimplemented where the kernel or the interface does not offer this.
// REQUIRES: `frames` is a power of two.
absl::StatusOr<XskSender> OpenXskSender(const Interface& interface,
                                        uint32_t queue, uint32_t frames);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_XSK_H_
