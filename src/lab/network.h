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
  const Behaviour& behaviour() const { return behaviour_; }

  // Any thread may ask.
  NetworkCounters counters() const;

 private:
  // A probe on its way: what the steps of answering it share.
  struct Passage {
    const ProbePacket& probe;
    Instant sent;
    uint64_t chance;
    Landing landing;
    bool right_checksum;
    bool lost_on_return;
    Mishap mishap;
    Observation& seen;
  };

  Fate Handle(Instant now, std::span<const std::byte> packet,
              Observation& seen);
  Fate Answer(const Passage& passage);
  Fate FromRouter(const Passage& passage, Fate fate);
  Fate FromHost(const Passage& passage, const HostTraits& host);
  IcmpError ErrorFrom(const Passage& passage, Fate fate,
                      const RouterTraits& router) const;
  // A reply as it leaves: `delay` after the probe was sent.
  struct Departure {
    Fate fate;
    ReplyHeader header;
    Nanos delay;
    size_t size;
  };
  // Puts a reply on its way back, as write(room) writes it. Returns the fate
  // that comes of it.
  template <typename Write>
  Fate Return(const Passage& passage, const Departure& departure,
              Write&& write);
  void AddExtras(const Passage& passage, Instant due);

  const Topology topology_;
  const Behaviour behaviour_;
  const Share loss_;
  const DelayRange jitter_;
  const Share odd_labels_;
  const Mischief mischief_;
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
