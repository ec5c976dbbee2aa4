#ifndef FATHOM_PROBE_H_
#define FATHOM_PROBE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fathom/address.h"
#include "fathom/strong.h"

namespace fathom {

// The two records that everything else passes along: a Probe says what to ask,
// a Reply says what came back, and to which probe.
//
// No table joins them. A codec writes the probe into the packet it sends and
// reads it back out of the packet it receives, so that
//
//   Decode(RouterReply(Encode(probe)))->probe == probe
//
// for every codec. That law is what makes the scanner stateless.

// Nanoseconds on the clock of the running scan, real or simulated. The epoch
// is that of Unix, so an Instant can be written down as a time of day.
using Nanos = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<struct ScanClock, Nanos>;

// A hop limit in a packet, which is also a distance from us in hops.
using Ttl = Strong<struct TtlTag, uint8_t>;

// Probes to one target with equal flow take one path through load balancers.
using FlowId = Strong<struct FlowIdTag, uint16_t>;

struct Probe {
  IpAddress target{};
  Ttl ttl{};
  FlowId flow{};

  friend bool operator==(const Probe&, const Probe&) = default;
};

enum class ReplyKind : uint8_t {
  kHop,          // A router on the path: the TTL ran out there.
  kDestination,  // The target itself: the path ends here.
  kAlias,        // An answer meant as the target's, from another address.
  kUnreachable,  // A router that refuses to forward to the target.
};

// The round-trip time of a reply whose time of sending came back damaged.
inline constexpr Nanos kUnknownRtt{-1};

// What a reply says was changed in the probe on its way, by the quote in it: a
// sum of these. A probe whose target or proof was changed makes no reply.
enum QuoteChanges : uint8_t {
  kChangedId = 1,      // The IP id, or whether there is one.
  kChangedLength = 2,  // The length of the packet.
};

// Bytes that belong to whoever lent them. Equal if the bytes are.
struct LentBytes {
  std::span<const std::byte> bytes{};

  friend bool operator==(const LentBytes& a, const LentBytes& b) {
    return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(),
                      b.bytes.end());
  }
};

// No more of a reply's extensions is kept. The largest seen in the wild, six
// labels and an interface's name, are a tenth of it.
inline constexpr size_t kMaxExtensions = 512;

struct Reply {
  Probe probe{};  // Read back from the packet, not remembered.
  IpAddress responder{};
  Instant received{};
  Nanos rtt = kUnknownRtt;
  ReplyKind kind = ReplyKind::kHop;
  uint8_t icmp_type = 0;  // ICMPv6's if the responder is IPv6.
  uint8_t icmp_code = 0;
  Ttl arrival_ttl{};  // Of the reply packet, as received.
  Ttl quoted_ttl{};   // Of the probe as quoted; 0 where nothing was quoted.
  uint8_t quoted_tos = 0;  // Likewise; probes are sent with 0.
  uint8_t changes = 0;     // QuoteChanges.
  uint8_t tcp_flags = 0;   // Of an answer by TCP; 0 if the answer is ICMP.
  // The objects of the extension structure (RFC 4884), whole and without the
  // structure's header, at most kMaxExtensions bytes: see
  // src/net/icmp_extensions.h. Lent by the packet, or by whoever read the
  // reply back, for as long as the reply; who keeps it longer copies them.
  LentBytes extensions{};

  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace fathom

#endif  // FATHOM_PROBE_H_
