#ifndef FATHOM_SRC_TRACE_SENT_PROBE_H_
#define FATHOM_SRC_TRACE_SENT_PROBE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// What sockets need to know of a probe that a codec wrote as a packet, and the
// packets that a raw socket would have heard in place of what a socket says.

// A packet, from its IP header on. The span is the caller's.
struct SentProbe {
  Family family = Family::kIpv4;
  IpAddress destination{};
  uint8_t ttl = 0;
  uint8_t protocol = 0;
  size_t header_size = 0;  // Of IP.
  std::span<const std::byte> packet{};

  std::span<const std::byte> transport() const {
    return packet.subspan(header_size);
  }
};

// nullopt if it is no packet of a header without options or extensions and at
// least ten bytes after it.
std::optional<SentProbe> ReadSentProbe(std::span<const std::byte> packet);

// Who answered a probe how. `extensions` are those of RFC 4884 with their
// header, empty if there are none.
struct SocketAnswer {
  IpAddress responder{};
  IpAddress source{};  // Of the probe, and so where the answer went.
  uint8_t arrival_ttl = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  std::span<const std::byte> extensions{};
};

// The ICMP error, or ICMPv6 error, that says so of `probe`. It quotes a TTL of
// 0, since what it was is not known.
std::vector<std::byte> ErrorAbout(const SentProbe& probe,
                                  const SocketAnswer& answer);

// What the host at `probe.destination` says to `probe`, a SYN: a SYN-ACK where
// the port is `open`, else a reset. The responder is left out of account.
std::vector<std::byte> SegmentAnswering(const SentProbe& probe,
                                        const SocketAnswer& answer, bool open);

// The echo reply to `probe`, an echo request.
std::vector<std::byte> EchoReplyTo(const SentProbe& probe,
                                   const SocketAnswer& answer);

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_SENT_PROBE_H_
