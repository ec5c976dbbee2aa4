#ifndef FATHOM_SRC_LAB_PROBE_PACKET_H_
#define FATHOM_SRC_LAB_PROBE_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/probe.h"
#include "src/base/hash.h"
#include "src/codec/headers.h"
#include "src/lab/route.h"

namespace fathom::lab {

// What a packet asks of a host.
enum class Question : uint8_t {
  kEcho,     // ICMP echo request.
  kUdp,      // Any datagram; no port is open.
  kTcpSyn,   // Opens a connection.
  kTcp,      // Any other segment but a reset, to a connection there is not.
  kNothing,  // Hosts are silent; routers may still report an error.
};

// What a packet of `protocol` with these ICMP type or TCP flags asks.
// `has_header` says whether there are as many bytes as a TCP header has.
constexpr Question QuestionOf(uint8_t protocol, uint8_t type, bool has_header,
                              uint8_t flags) {
  if (protocol == kProtocolUdp) return Question::kUdp;
  if (protocol == kProtocolIcmp) {
    return type == kIcmpEchoRequest ? Question::kEcho : Question::kNothing;
  }
  if (protocol != kProtocolTcp || !has_header || (flags & kTcpReset) != 0) {
    return Question::kNothing;
  }
  return (flags & (kTcpSyn | kTcpAck)) == kTcpSyn ? Question::kTcpSyn
                                                  : Question::kTcp;
}

// What balancers hash of a packet; methods differ, and this is all that any is
// known to. `start` is the first word after the IP header: the type, code and
// checksum of ICMP, or ports. `icmp_id` is 0 for other protocols.
constexpr FlowKeys KeysOf(uint64_t addresses, uint8_t tos, uint8_t protocol,
                          uint32_t start, uint16_t icmp_id) {
  const uint64_t rest = start | uint64_t{icmp_id} << 32 | uint64_t{tos} << 48 |
                        uint64_t{protocol} << 56;
  return {.flow = Again(addresses, rest), .addresses = addresses};
}

// A hash of a time and of what tells packets apart, each eight bytes as they
// stand in memory: the IP header from its id on, with its id and TTL, and the
// first bytes after it.
constexpr uint64_t IdentityOf(uint64_t time, uint64_t header,
                              uint64_t addresses, uint64_t transport) {
  return Mix(Mix(Mix(Mix(time) ^ header) ^ addresses) ^ transport);
}

// A packet that came into the lab, as its routers read it.
struct ProbePacket {
  std::span<const std::byte> bytes;  // From the IP header to its total length.
  size_t header_length = 0;          // Of the IP header, options included.
  Ipv4Header ip{};
  FlowKeys keys;
  Question question = Question::kNothing;
  bool answerable = true;  // False for ICMP that no error is sent about.
  // Whether the bytes are IPv6: then `ip` is what they would be over IPv4, but
  // for the fields that only the bytes have. See ipv6.h.
  bool ipv6 = false;

  std::span<const std::byte> transport() const {
    return bytes.subspan(header_length);
  }

  // A hash of the headers and `now`, from which all chance about this one
  // packet follows.
  uint64_t Identity(Instant now) const;
};

// Reads `bytes`, which may be padded at the end. nullopt if the first router
// would drop it without a word: not IPv4, a wrong header checksum, cut short,
// a later fragment, no TTL, or less than eight bytes after the header.
std::optional<ProbePacket> ReadProbe(std::span<const std::byte> bytes);

// The sum of the pseudo-header of UDP and TCP (RFC 768, RFC 9293).
uint16_t PseudoSum(const Ipv4Header& ip, size_t transport_bytes);

// Whether the checksum after the IP header is right; true for protocols of
// which the lab knows none.
bool HasRightChecksum(const ProbePacket& packet);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_PROBE_PACKET_H_
