#ifndef FATHOM_SRC_LAB_REPLY_H_
#define FATHOM_SRC_LAB_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/lab/probe_packet.h"

namespace fathom::lab {

// The packets that routers and hosts answer with, written as they arrive.

// What is in the IP header of a reply.
struct ReplyHeader {
  uint32_t source = 0;
  uint16_t id = 0;
  uint8_t ttl = 0;  // On arrival.
};

// An ICMP error about `probe` (RFC 792).
struct IcmpError {
  uint8_t type = 0;
  uint8_t code = 0;
  uint8_t quoted_ttl = 1;   // Of the probe as it came to the router.
  bool quotes_all = false;  // Else the eight bytes that RFC 792 asks for.
};

// Errors are no longer than this (RFC 1812, 4.3.2.3).
inline constexpr size_t kMaxErrorSize = 576;

// No larger probe is read, so no larger reply is written.
inline constexpr size_t kMaxPacketSize = 1500;

size_t ErrorSize(const ProbePacket& probe, const IcmpError& error);

// REQUIRES: out.size() == ErrorSize(probe, error).
void WriteError(const ProbePacket& probe, const ReplyHeader& header,
                const IcmpError& error, std::span<std::byte> out);

size_t EchoReplySize(const ProbePacket& probe);

// Returns the id, sequence number and payload of `probe`.
// REQUIRES: probe.echo_request, and out.size() == EchoReplySize(probe).
void WriteEchoReply(const ProbePacket& probe, const ReplyHeader& header,
                    std::span<std::byte> out);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_REPLY_H_
