#ifndef FATHOM_SRC_CODEC_HEADERS_H_
#define FATHOM_SRC_CODEC_HEADERS_H_

#include <cstddef>
#include <cstdint>

#include "src/base/bytes.h"

namespace fathom {

// The headers as they stand on the wire. All fields are in network order and
// unaligned, so a header can be loaded from any byte.

struct EthernetHeader {
  uint8_t destination[6];
  uint8_t source[6];
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

// RFC 791.
struct Ipv4Header {
  uint8_t version_ihl;  // Version in the high four bits, words in the low.
  uint8_t tos;
  Be16 total_length;
  Be16 id;
  Be16 flags_fragment;
  uint8_t ttl;
  uint8_t protocol;
  Be16 checksum;
  Be32 source;
  Be32 destination;

  size_t header_length() const { return (version_ihl & 0xfU) * 4; }
};
static_assert(sizeof(Ipv4Header) == 20);

inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kFragmentOffsetMask = 0x1fff;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

// RFC 8200; addresses in halves, as IpAddress has them.
struct Ipv6Header {
  Be32 version_class_flow;  // Version in the high four bits.
  Be16 payload_length;
  uint8_t next_header;
  uint8_t hop_limit;
  Be64 source_high;
  Be64 source_low;
  Be64 destination_high;
  Be64 destination_low;
};
static_assert(sizeof(Ipv6Header) == 40);

inline constexpr uint8_t kProtocolIcmpv6 = 58;

// IPv6 extension headers that stand before a transport (RFC 8200, section 4).
inline constexpr uint8_t kIpv6HopByHop = 0;
inline constexpr uint8_t kIpv6Routing = 43;
inline constexpr uint8_t kIpv6Fragment = 44;
inline constexpr uint8_t kIpv6Destination = 60;
inline constexpr uint8_t kIpv6Authentication = 51;  // RFC 4302.

// RFC 792; the second word as echo messages use it.
struct IcmpHeader {
  uint8_t type;
  uint8_t code;
  Be16 checksum;
  Be16 id;
  Be16 sequence;
};
static_assert(sizeof(IcmpHeader) == 8);

inline constexpr uint8_t kIcmpEchoReply = 0;
inline constexpr uint8_t kIcmpUnreachable = 3;
inline constexpr uint8_t kIcmpEchoRequest = 8;
inline constexpr uint8_t kIcmpTimeExceeded = 11;

// Codes of kIcmpUnreachable.
inline constexpr uint8_t kIcmpNetUnreachable = 0;
inline constexpr uint8_t kIcmpHostUnreachable = 1;
inline constexpr uint8_t kIcmpProtocolUnreachable = 2;
inline constexpr uint8_t kIcmpPortUnreachable = 3;
inline constexpr uint8_t kIcmpNetProhibited = 9;
inline constexpr uint8_t kIcmpHostProhibited = 10;
inline constexpr uint8_t kIcmpProhibited = 13;

// Types of ICMPv6 (RFC 4443), whose header is the same.
inline constexpr uint8_t kIcmpv6Unreachable = 1;
inline constexpr uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr uint8_t kIcmpv6ParameterProblem = 4;
inline constexpr uint8_t kIcmpv6PortUnreachable = 4;  // A code.
inline constexpr uint8_t kIcmpv6UnknownHeader = 1;    // Of a parameter problem.
inline constexpr uint8_t kIcmpv6EchoRequest = 128;
inline constexpr uint8_t kIcmpv6EchoReply = 129;

// RFC 768.
struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;
  Be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8);

// RFC 9293.
struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  uint8_t data_offset;  // Words of the header in the high four bits.
  uint8_t flags;
  Be16 window;
  Be16 checksum;
  Be16 urgent;
};
static_assert(sizeof(TcpHeader) == 20);

// Probes come from ports from here on, and so answers go to these.
inline constexpr uint16_t kMinAnsweredPort = 1024;

inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpReset = 0x04;
inline constexpr uint8_t kTcpAck = 0x10;

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_HEADERS_H_
