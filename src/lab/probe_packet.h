#ifndef FATHOM_SRC_LAB_PROBE_PACKET_H_
#define FATHOM_SRC_LAB_PROBE_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/probe.h"
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

// A packet that came into the lab, as its routers read it.
struct ProbePacket {
  std::span<const std::byte> bytes;  // From the IP header to its total length.
  size_t header_length = 0;          // Of the IP header, options included.
  Ipv4Header ip;
  FlowKeys keys;
  Question question = Question::kNothing;
  bool answerable = true;  // False for ICMP that no error is sent about.

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
