#ifndef FATHOM_SRC_CODEC_DISSECT_H_
#define FATHOM_SRC_CODEC_DISSECT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom {

// What a received packet says, whoever it is for.
//
// All reading of bytes from outside goes through here. The length that was
// received bounds every access; lengths inside the packet are believed only
// where they stay within it.

enum class PacketShape : uint8_t {
  kError,      // ICMP Time Exceeded in transit, Unreachable, or ICMPv6
               // Parameter Problem, with a quote.
  kEchoReply,  // ICMP Echo Reply.
  kSegment,    // TCP RST or SYN-ACK: what hosts answer to a segment.
  kMalformed,  // One of these, but damaged: lengths, checksums, no quote.
  kOther,      // Anything else.
};

// The start of a probe as an ICMP error quotes it (RFC 792, RFC 1812, RFC
// 4443).
struct QuotedPacket {
  IpAddress source{};
  IpAddress destination{};
  Ttl ttl{};
  uint8_t tos = 0;       // Traffic class in IPv6.
  uint8_t protocol = 0;  // Behind IPv6's extension headers.
  uint16_t id = 0;       // IPv4 only.
  // As quoted, IP header included; routers have been seen to change it.
  size_t total_length = 0;
  // What follows the quoted IP header and its options: at least eight bytes.
  // Padding up to the extensions of RFC 4884 is not part of it.
  std::span<const std::byte> transport{};
};

struct Packet {
  // Written out, since a defaulted one fills even an absent quote with zeros,
  // for which g++ takes 10 ns a packet, and 35 for all the rest of decoding.
  Packet() {}

  PacketShape shape = PacketShape::kOther;
  Family family = Family::kIpv4;
  uint8_t protocol = 0;  // Behind IPv6's extension headers.
  IpAddress source{};
  IpAddress destination{};
  Ttl ttl{};
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t tcp_flags = 0;                // Of kSegment.
  std::optional<QuotedPacket> quote{};  // Of kError.
  std::span<const std::byte> body{};    // The ICMP message or the segment.
  // Of kError: the objects that follow the quote (RFC 4884), whole, at most
  // kMaxExtensions bytes.
  std::span<const std::byte> extensions{};
};

// Reads `bytes`, a packet from its IP header on; padding after it, as Ethernet
// adds, is cut off. Spans in the result point into `bytes`. Any bytes are
// allowed.
Packet Dissect(std::span<const std::byte> bytes);

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_DISSECT_H_
