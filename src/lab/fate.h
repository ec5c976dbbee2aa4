#ifndef FATHOM_SRC_LAB_FATE_H_
#define FATHOM_SRC_LAB_FATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "fathom/probe.h"

namespace fathom::lab {

// What became of a probe. Each has exactly one fate, so all counters together
// are the probes that came in.
enum class Fate : uint8_t {
  // Answered.
  kTimeExceeded,
  kEchoReply,
  kPortUnreachable,
  kTcpAnswer,
  kNetUnreachable,
  kHostUnreachable,
  kProhibited,
  // A reply comes, but not one to tell the probe by.
  kRewritten,  // It quotes another target or flow.
  kTruncated,  // It was cut short.
  // Not answered.
  kLostForward,   // On its way.
  kLostReturn,    // Its reply was lost on the way back.
  kRateLimited,   // The router had no token left.
  kSilentRouter,  // The router never answers.
  kSilentHost,    // There is no host, or none for this kind of probe.
  kUnrouted,      // No route, and nobody says so.
  kFiltered,      // A firewall that does not say so.
  kBadChecksum,   // A host dropped it for its checksum.
  kMalformed,     // The first router could not read it.
  kNotAProbe,     // ICMP that asks nothing, so no error is sent about it.
};
inline constexpr size_t kFates = 19;
inline constexpr size_t kAnswers = 7;  // The first fates.
inline constexpr size_t kReplies = 9;  // These, and those spoiled on the way.
inline constexpr std::array<const char*, kFates> kFateNames = {
    "time_exceeded",   "echo_reply",       "port_unreachable", "tcp_answer",
    "net_unreachable", "host_unreachable", "prohibited",       "rewritten",
    "truncated",       "lost_forward",     "lost_return",      "rate_limited",
    "silent_router",   "silent_host",      "unrouted",         "filtered",
    "bad_checksum",    "malformed",        "not_a_probe"};

inline constexpr bool IsAnswered(Fate fate) {
  return static_cast<size_t>(fate) < kAnswers;
}

inline constexpr bool HasReply(Fate fate) {
  return static_cast<size_t>(fate) < kReplies;
}

// A copy of the counters.
struct NetworkCounters {
  std::array<uint64_t, kFates> fates{};
  // Probes with a wrong checksum after the IP header, whatever became of them:
  // a router quotes them like any other, but a codec that sends them is wrong.
  uint64_t wrong_checksums = 0;
  // Packets that came beside the replies: second copies, errors about probes
  // that nobody sent, and packets without sense.
  uint64_t duplicates = 0;
  uint64_t forged = 0;
  uint64_t garbage = 0;

  uint64_t of(Fate fate) const { return fates[static_cast<size_t>(fate)]; }
  uint64_t probes() const {
    return std::accumulate(fates.begin(), fates.end(), uint64_t{0});
  }
  uint64_t answered() const {
    return std::accumulate(fates.begin(), fates.begin() + kAnswers,
                           uint64_t{0});
  }
  // All packets that come back.
  uint64_t packets() const {
    return std::accumulate(fates.begin(), fates.begin() + kReplies,
                           duplicates + forged + garbage);
  }
};

// One probe and what became of it.
struct Observation {
  Instant sent;
  std::span<const std::byte> probe;
  Fate fate = Fate::kMalformed;
  uint32_t responder = 0;            // Where answered.
  std::span<const std::byte> reply;  // Empty unless HasReply(fate).
  Instant due;                       // When the reply arrives.
  uint8_t copies = 1;                // How often.
};

// Is told of every probe as it is sent. The spans last for the call.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void Observe(const Observation& observation) = 0;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_FATE_H_
