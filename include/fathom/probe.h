#ifndef FATHOM_PROBE_H_
#define FATHOM_PROBE_H_

#include <chrono>
#include <cstdint>

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

struct Reply {
  Probe probe{};  // Read back from the packet, not remembered.
  IpAddress responder{};
  Instant received{};
  Nanos rtt = kUnknownRtt;
  ReplyKind kind = ReplyKind::kHop;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  Ttl arrival_ttl{};  // Of the reply packet, as received.
  Ttl quoted_ttl{};   // Of the probe as quoted; 0 where nothing was quoted.

  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace fathom

#endif  // FATHOM_PROBE_H_
