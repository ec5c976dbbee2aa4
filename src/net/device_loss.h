#ifndef FATHOM_SRC_NET_DEVICE_LOSS_H_
#define FATHOM_SRC_NET_DEVICE_LOSS_H_

#include <cstdint>

#include "src/net/neighbor.h"

namespace fathom {

// What an interface and the kernel behind it have thrown away, of anybody's
// traffic, since they were made. Differences of two readings tell what was lost
// between them.
struct DeviceLoss {
  // Packets that came in while the card had no buffer for them.
  uint64_t rx_missed = 0;
  // Packets that came in and that the driver or the kernel dropped. Some
  // drivers count here what an XDP program dropped on purpose, and the kernel
  // what no protocol wanted.
  uint64_t rx_dropped = 0;
  // Frames that were to go out and that the device had no room for.
  uint64_t tx_dropped = 0;
  // Packets that a processor of this host had no room for on their way from
  // the driver to the stack, whatever their interface.
  uint64_t softnet_dropped = 0;

  friend DeviceLoss operator-(const DeviceLoss& a, const DeviceLoss& b);
};

// Reads the counters; those that cannot be read, of an interface that is gone
// say, are 0.
DeviceLoss ReadDeviceLoss(const Interface& interface);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_DEVICE_LOSS_H_
