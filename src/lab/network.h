#ifndef FATHOM_SRC_LAB_NETWORK_H_
#define FATHOM_SRC_LAB_NETWORK_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/packet_io.h"
#include "fathom/probe.h"
#include "src/lab/fate.h"
#include "src/lab/mischief.h"
#include "src/lab/model.h"
#include "src/lab/probe_packet.h"
#include "src/lab/rate_limiter.h"
#include "src/lab/reply.h"
#include "src/lab/reply_queue.h"
#include "src/lab/router.h"
#include "src/lab/scenario.h"
#include "src/lab/topology.h"

namespace fathom::lab {

// The lab at work: probes go in, replies come out when they are due. Time is
// handed in, so it may be virtual or real.
//
// The same scenario, and the same packets at the same times, give the same
// replies to the byte. The memory is that of the replies on their way (see
// ReplyQueue) and of the rate limited routers that were asked.
//
// One thread, but for counters().
class Network {
 public:
  // `observer`, if there is one, must outlive the network.
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Network(const Scenario& scenario, Observer* observer = nullptr);

  // Takes a probe, from the IP header on. REQUIRES: `now` never goes back.
  void Send(Instant now, std::span<const std::byte> packet);

  // Lends the replies due until `until`, earliest first; returns how many.
  // They stay valid until the next Receive().
  size_t Receive(Instant until, std::span<RxFrame> out) {
    return queue_.PopUntil(until, out);
  }

  // When the next reply arrives; nullopt if none is on its way.
  std::optional<Instant> next_due() const { return queue_.next_due(); }

  // Replies sent and not yet received.
  size_t in_flight() const { return queue_.size(); }

  const Topology& topology() const { return topology_; }
  const Behaviour& behaviour() const { return model_.behaviour(); }

  // Any thread may ask.
  NetworkCounters counters() const;

 private:
  Fate Handle(Instant now, std::span<const std::byte> packet,
              Observation& seen);
  // Puts the answer to `probe` on its way back. Returns what came of it.
  Fate Return(const ProbePacket& probe, const Answer& answer, uint64_t chance,
              Observation& seen);
  void AddExtras(const ProbePacket& probe, const Mishap& mishap,
                 uint64_t chance, const Observation& seen);

  const Topology topology_;
  const Model model_;
  Observer* const observer_;
  RateLimiter limiter_;
  ReplyQueue queue_;
  std::optional<Instant> start_;  // Of the first probe.
  // Written by one thread.
  std::array<std::atomic<uint64_t>, kFates> fates_{};
  std::atomic<uint64_t> wrong_checksums_{0};
  std::atomic<uint64_t> duplicates_{0};
  std::atomic<uint64_t> forged_{0};
  std::atomic<uint64_t> garbage_{0};
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_NETWORK_H_
