#ifndef FATHOM_SRC_DOCTOR_ETHTOOL_H_
#define FATHOM_SRC_DOCTOR_ETHTOOL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "src/net/neighbor.h"

namespace fathom::doctor {

// What a driver says of an interface when asked by ethtool(8)'s ioctl, which
// needs no privilege. Each is nullopt where the driver does not know.

// "e1000e", "veth".
std::optional<std::string> DriverOf(const Interface& interface);

struct Used {
  uint32_t now = 0;
  uint32_t most = 0;
};

std::optional<Used> ReceiveBuffersOf(const Interface& interface);
// Those that receive.
std::optional<Used> QueuesOf(const Interface& interface);

// Whether the kernel gathers received packets to handle them together (GRO).
std::optional<bool> CollectsPackets(const Interface& interface);

// Whether received packets are merged by the card, so that they cannot be
// forwarded as they were (LRO).
std::optional<bool> MergesPackets(const Interface& interface);

}  // namespace fathom::doctor

#endif  // FATHOM_SRC_DOCTOR_ETHTOOL_H_
