#ifndef FATHOM_TESTS_IP_PACKET_H_
#define FATHOM_TESTS_IP_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/address.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {

// IP packets of both families, written by the RFCs and not by the code under
// test. Packets start at the IP header.

using Bytes = std::vector<std::byte>;

inline bool IsV6(std::span<const std::byte> packet) {
  return std::to_integer<int>(packet[0]) >> 4 == 6;
}

// What only makes sense of packets without extension headers.
inline size_t TransportStart(std::span<const std::byte> packet) {
  return IsV6(packet) ? sizeof(Ipv6Header)
                      : Load<Ipv4Header>(packet).header_length();
}
inline uint8_t ProtocolOf(std::span<const std::byte> packet) {
  return IsV6(packet) ? Load<Ipv6Header>(packet).next_header
                      : Load<Ipv4Header>(packet).protocol;
}
inline bool IsTcp(std::span<const std::byte> packet) {
  return ProtocolOf(packet) == kProtocolTcp;
}
inline bool IsUdp(std::span<const std::byte> packet) {
  return ProtocolOf(packet) == kProtocolUdp;
}

inline IpAddress AddressAt(std::span<const std::byte> packet, size_t number) {
  if (IsV6(packet)) {
    const auto at = packet.subspan(8 + number * 16);
    return IpAddress::V6(Load<Be64>(at), Load<Be64>(at.subspan(8)));
  }
  return IpAddress::V4(Load<Be32>(packet.subspan(12 + number * 4)));
}
inline IpAddress SourceOf(std::span<const std::byte> packet) {
  return AddressAt(packet, 0);
}
inline IpAddress DestinationOf(std::span<const std::byte> packet) {
  return AddressAt(packet, 1);
}

inline void SetDestination(const IpAddress& address, std::span<std::byte> to) {
  if (IsV6(to)) {
    Store(Be64(address.high()), to.subspan(24));
    Store(Be64(address.low()), to.subspan(32));
  } else {
    Store(Be32(address.v4()), to.subspan(16));
  }
}

// Makes the lengths and the header's sum those of the packet as it is.
inline void FixIp(std::span<std::byte> packet) {
  if (IsV6(packet)) {
    const size_t payload = packet.size() - sizeof(Ipv6Header);
    Store(Be16(static_cast<uint16_t>(payload)), packet.subspan(4));
    return;
  }
  auto header = Load<Ipv4Header>(packet);
  header.total_length = static_cast<uint16_t>(packet.size());
  header.checksum = 0;
  Store(header, packet);
  header.checksum = InternetChecksum(packet.first(header.header_length()));
  Store(header, packet);
}

// The sum of what the checksum of the transport covers, which begins at `start`
// and is of this protocol; 0xffff if the checksum is right.
inline uint16_t CoveredSum(std::span<const std::byte> packet, size_t start,
                           uint8_t protocol) {
  const auto transport = packet.subspan(start);
  const uint16_t sum = OnesSum(transport);
  if (protocol == kProtocolIcmp) return sum;
  const auto addresses =
      IsV6(packet) ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const uint16_t rest =
      OnesAdd(protocol, static_cast<uint16_t>(transport.size()));
  return OnesAdd(sum, OnesAdd(OnesSum(addresses), rest));
}

inline uint16_t CoveredSum(std::span<const std::byte> packet) {
  return CoveredSum(packet, TransportStart(packet), ProtocolOf(packet));
}

// Makes the checksum of the transport true.
inline void FixTransport(std::span<std::byte> packet, size_t start,
                         uint8_t protocol) {
  const size_t at = start + (protocol == kProtocolTcp   ? 16
                             : protocol == kProtocolUdp ? 6
                                                        : 2);
  Store(Be16(0), packet.subspan(at));
  const uint16_t sum = CoveredSum(packet, start, protocol);
  Store(Be16(static_cast<uint16_t>(~sum)), packet.subspan(at));
}

inline void FixTransport(std::span<std::byte> packet) {
  FixTransport(packet, TransportStart(packet), ProtocolOf(packet));
}

// The header of IPv6 options that mean nothing: `size` bytes, a multiple of
// eight, before `next` (RFC 8200, 4.6).
inline Bytes EmptyOptions(uint8_t next, size_t size) {
  Bytes header(size);
  if (size == 0) return header;
  header[0] = static_cast<std::byte>(next);
  header[1] = static_cast<std::byte>(size / 8 - 1);
  header[2] = std::byte{1};  // PadN.
  header[3] = static_cast<std::byte>(size - 4);
  return header;
}

struct IpOptions {
  IpAddress source{};
  IpAddress destination{};
  uint8_t ttl = 64;
  uint8_t protocol = 0;
  // Bytes of options, a multiple of four; or of an IPv6 extension header, a
  // multiple of eight.
  size_t options = 0;
};

// The packet that carries `rest`, whose checksum is made true.
inline Bytes IpAround(const IpOptions& ip, std::span<const std::byte> rest) {
  Bytes packet;
  if (ip.source.family() == Family::kIpv6) {
    packet.resize(sizeof(Ipv6Header));
    Ipv6Header header{};
    header.version_class_flow = uint32_t{6} << 28;
    header.next_header = ip.options == 0 ? ip.protocol : kIpv6Destination;
    header.hop_limit = ip.ttl;
    header.source_high = ip.source.high();
    header.source_low = ip.source.low();
    header.destination_high = ip.destination.high();
    header.destination_low = ip.destination.low();
    Store(header, packet);
    const Bytes options = EmptyOptions(ip.protocol, ip.options);
    packet.insert(packet.end(), options.begin(), options.end());
  } else {
    packet.resize(sizeof(Ipv4Header) + ip.options, std::byte{1});  // NOPs.
    Ipv4Header header{};
    header.version_ihl = static_cast<uint8_t>(0x40 + packet.size() / 4);
    header.ttl = ip.ttl;
    header.protocol = ip.protocol;
    header.source = ip.source.v4();
    header.destination = ip.destination.v4();
    Store(header, packet);
  }
  const size_t start = packet.size();
  packet.insert(packet.end(), rest.begin(), rest.end());
  FixIp(packet);
  FixTransport(packet, start, ip.protocol);
  return packet;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_IP_PACKET_H_
