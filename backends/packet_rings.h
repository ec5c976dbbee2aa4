#ifndef FATHOM_BACKENDS_PACKET_RINGS_H_
#define FATHOM_BACKENDS_PACKET_RINGS_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "src/base/unique_fd.h"

namespace fathom {

// What DPDK's driver for packet sockets loses: it has a ring in each, and does
// not count what found the ring full. The kernel does, for whoever asks by the
// socket. So the sockets are looked for among the open files of this process,
// and held beside the driver.
class PacketRings {
 public:
  // Those with a ring of this kind (TPACKET_V2) on the interface. None if
  // /proc cannot be read.
  explicit PacketRings(int interface_index);

  // Packets that found a ring full since this was made. Any thread may ask.
  uint64_t TakeDropped() const;

 private:
  std::vector<UniqueFd> sockets_;
  mutable std::atomic<uint64_t> dropped_{0};
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_PACKET_RINGS_H_
