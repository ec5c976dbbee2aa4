#ifndef FATHOM_SRC_LAB_REPLY_H_
#define FATHOM_SRC_LAB_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/lab/probe_packet.h"
#include "src/lab/router.h"

namespace fathom::lab {

// The packets that routers and hosts answer with, written as they arrive.

// What is in the IP header of a reply.
struct ReplyHeader {
  uint32_t source = 0;
  uint16_t id = 0;
  uint8_t ttl = 0;  // On arrival.
};

// An MPLS label (RFC 3032) as routers report it (RFC 4950).
struct Label {
  uint32_t value = 0;  // 20 bits.
  uint8_t ttl = 0;
  // Whether it is appended at 128 bytes with no length given, as routers did
  // before RFC 4884.
  bool odd = false;
};

// An ICMP error about `probe` (RFC 792).
struct IcmpError {
  uint8_t type = 0;
  uint8_t code = 0;
  uint8_t quoted_ttl = 1;  // Of the probe as it came to the router.
  uint16_t quotes = 0;     // As in RouterTraits.
  Rewrite rewrite = Rewrite::kNone;
  uint32_t chance = 0;           // What a rewritten field becomes.
  const Label* label = nullptr;  // Null: none.
};

// Errors are no longer than this (RFC 1812, 4.3.2.3).
inline constexpr size_t kMaxErrorSize = 576;

// No larger probe is read, so no larger reply is written.
inline constexpr size_t kMaxPacketSize = 1500;

// The header of the extensions, that of the one object in it, and the label.
inline constexpr size_t kExtensionSize = 12;

// The extensions of an error (RFC 4884, section 7) with one label.
// REQUIRES: out.size() == kExtensionSize.
void WriteLabel(const Label& label, std::span<std::byte> out);

size_t ErrorSize(const ProbePacket& probe, const IcmpError& error);

// REQUIRES: out.size() == ErrorSize(probe, error).
void WriteError(const ProbePacket& probe, const ReplyHeader& header,
                const IcmpError& error, std::span<std::byte> out);

size_t EchoReplySize(const ProbePacket& probe);

// Returns the id, sequence number and payload of `probe`.
// REQUIRES: the probe asks for it, and out.size() == EchoReplySize(probe).
void WriteEchoReply(const ProbePacket& probe, const ReplyHeader& header,
                    std::span<std::byte> out);

inline constexpr size_t kTcpAnswerSize = 40;

// What a host without a connection says to a segment (RFC 9293, 3.10.7): a
// SYN-ACK to a SYN where the port is `open`, else a reset.
// REQUIRES: the probe is a TCP segment, and out.size() == kTcpAnswerSize.
void WriteTcpAnswer(const ProbePacket& probe, const ReplyHeader& header,
                    bool open, std::span<std::byte> out);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_REPLY_H_
