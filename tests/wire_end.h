#ifndef FATHOM_TESTS_WIRE_END_H_
#define FATHOM_TESTS_WIRE_END_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fathom/address.h"
#include "src/base/unique_fd.h"
#include "tests/netns.h"

namespace fathom {

// The other end of a backend's wire, and packets to put on it.

using Bytes = std::vector<std::byte>;

// Of the local experimental Ethernet type, which no kernel answers.
inline constexpr uint16_t kExperimental = 0x88b5;

// The whole of a packet from `source` to `destination`: IPv4, ICMP, the start
// of an echo request the other way, as errors quote it, and `number`.
Bytes IcmpPacket(IpAddress source, IpAddress destination, uint8_t type,
                 uint32_t number);

// The whole of a packet of either family around `message`, whose checksum, if
// `protocol` is ICMP, ICMPv6 or TCP, is set.
Bytes PacketAround(IpAddress source, IpAddress destination, uint8_t protocol,
                   Bytes message);

// A segment without options or data; its checksum is yet to be set.
Bytes TcpSegment(uint16_t source_port, uint16_t destination_port,
                 uint8_t flags);

// An ICMPv6 error about an echo request from `destination`, as IcmpPacket().
Bytes Icmpv6Error(IpAddress source, IpAddress destination, uint8_t type);

// The number in a packet made by IcmpPacket(); ~0 if it is too short.
uint32_t NumberOf(std::span<const std::byte> packet);

Bytes Concat(std::span<const std::byte> a, std::span<const std::byte> b);

// A packet socket on the far end.
class FarEnd {
 public:
  // Fails the test, and sends nothing, where the namespaces are not isolated.
  FarEnd(const Netns& netns, const std::string& device);

  // Sends whole frames, in order.
  void Send(const std::vector<Bytes>& frames);

  // The next frame that came in from the near end with this Ethernet type;
  // nullopt if none comes in ten seconds.
  std::optional<Bytes> Hear(uint16_t type);

 private:
  void Open(const std::string& device);

  UniqueFd fd_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_WIRE_END_H_
