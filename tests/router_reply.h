#ifndef FATHOM_TESTS_ROUTER_REPLY_H_
#define FATHOM_TESTS_ROUTER_REPLY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {

// What routers and hosts send back, written by the RFCs and not by the code
// under test. Packets start at the IP header.

using Bytes = std::vector<std::byte>;

struct RouterOptions {
  uint32_t router = 0xc6120001;  // 198.18.0.1
  uint8_t type = kIcmpTimeExceeded;
  uint8_t code = 0;
  uint8_t ttl = 250;
  size_t quoted_transport = 8;  // Bytes after the quoted IP header.
  size_t outer_options = 0;     // Bytes of IP options, a multiple of four.
  size_t quoted_options = 0;
  uint8_t quoted_ttl = 1;
  size_t rfc4884_pad = 0;  // Pads the quote with zeros to this size, if not 0.
};

inline void FixIpv4(Bytes& packet) {
  auto header = Load<Ipv4Header>(packet);
  header.total_length = static_cast<uint16_t>(packet.size());
  header.checksum = 0;
  Store(header, packet);
  header.checksum =
      InternetChecksum(std::span(packet).first(header.header_length()));
  Store(header, packet);
}

inline void FixIcmp(std::span<std::byte> icmp) {
  auto header = Load<IcmpHeader>(icmp);
  header.checksum = 0;
  Store(header, icmp);
  header.checksum = InternetChecksum(icmp);
  Store(header, icmp);
}

inline Bytes Ipv4Around(uint32_t source, uint32_t destination, uint8_t ttl,
                        size_t options, std::span<const std::byte> rest) {
  Bytes packet(sizeof(Ipv4Header) + options, std::byte{1});  // NOP options.
  Ipv4Header header{};
  header.version_ihl = static_cast<uint8_t>(0x40 + packet.size() / 4);
  header.ttl = ttl;
  header.protocol = kProtocolIcmp;
  header.source = source;
  header.destination = destination;
  Store(header, packet);
  packet.insert(packet.end(), rest.begin(), rest.end());
  FixIpv4(packet);
  return packet;
}

// The error that a router sends about `probe`, an IP packet.
inline Bytes RouterReply(std::span<const std::byte> probe,
                         const RouterOptions& options = {}) {
  auto quoted = Load<Ipv4Header>(probe);
  const auto transport = probe.subspan(quoted.header_length());
  quoted.ttl = options.quoted_ttl;
  quoted.version_ihl =
      static_cast<uint8_t>(quoted.version_ihl + options.quoted_options / 4);

  Bytes icmp(sizeof(IcmpHeader));
  const size_t header_end = icmp.size() + sizeof quoted;
  icmp.resize(header_end + options.quoted_options, std::byte{1});
  Store(quoted, std::span(icmp).subspan(sizeof(IcmpHeader)));
  const size_t count = std::min(options.quoted_transport, transport.size());
  icmp.insert(icmp.end(), transport.begin(), transport.begin() + count);
  if (options.rfc4884_pad != 0) {
    icmp.resize(sizeof(IcmpHeader) + options.rfc4884_pad);
    icmp[5] = static_cast<std::byte>(options.rfc4884_pad / 4);
    // An extension header and one unknown object (RFC 4884, section 7).
    for (const int byte : {0x20, 0, 0, 0, 0, 8, 99, 1, 1, 2, 3, 4}) {
      icmp.push_back(static_cast<std::byte>(byte));
    }
  }
  icmp[0] = static_cast<std::byte>(options.type);
  icmp[1] = static_cast<std::byte>(options.code);
  FixIcmp(icmp);
  return Ipv4Around(options.router, quoted.source, options.ttl,
                    options.outer_options, icmp);
}

// The echo reply of the host that `probe` is for, or of another.
inline Bytes EchoReply(std::span<const std::byte> probe, uint32_t responder) {
  const auto header = Load<Ipv4Header>(probe);
  const auto request = probe.subspan(header.header_length());
  Bytes icmp(request.begin(), request.end());
  icmp[0] = std::byte{kIcmpEchoReply};
  FixIcmp(icmp);
  return Ipv4Around(responder, header.source, 60, 0, icmp);
}

// What the host that `probe` is for, or another, says to it: an echo reply, or
// that nobody listens at the port.
inline Bytes HostAnswer(std::span<const std::byte> probe, uint32_t responder) {
  if (Load<Ipv4Header>(probe).protocol == kProtocolIcmp) {
    return EchoReply(probe, responder);
  }
  return RouterReply(probe, {.router = responder,
                             .type = kIcmpUnreachable,
                             .code = kIcmpPortUnreachable,
                             .quoted_transport = 548});
}

// The sum of what a transport's checksum covers; 0xffff if it is right.
inline uint16_t CoveredSum(std::span<const std::byte> packet) {
  const auto ip = Load<Ipv4Header>(packet);
  const auto transport = packet.subspan(ip.header_length());
  uint16_t sum = OnesSum(transport);
  if (ip.protocol == kProtocolIcmp) return sum;
  sum = OnesAdd(sum, OnesSum(packet.subspan(offsetof(Ipv4Header, source), 8)));
  return OnesAdd(sum,
                 OnesAdd(ip.protocol, static_cast<uint16_t>(transport.size())));
}

}  // namespace fathom

#endif  // FATHOM_TESTS_ROUTER_REPLY_H_
