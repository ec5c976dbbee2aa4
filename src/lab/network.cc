#include "src/lab/network.h"

#include "src/codec/headers.h"
#include "src/lab/reply.h"

namespace fathom::lab {
namespace {

// What the chance of one packet decides.
enum PacketDraw : uint64_t { kLoss = 1, kJitter };

// One writer, so no locked instruction is needed.
void Add(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1,
                std::memory_order_relaxed);
}

struct TypeAndCode {
  uint8_t type;
  uint8_t code;
};

TypeAndCode ErrorOf(Fate fate) {
  switch (fate) {
    case Fate::kNetUnreachable:
      return {kIcmpUnreachable, kIcmpNetUnreachable};
    case Fate::kHostUnreachable:
      return {kIcmpUnreachable, kIcmpHostUnreachable};
    case Fate::kProhibited:
      return {kIcmpUnreachable, kIcmpProhibited};
    default:
      return {kIcmpTimeExceeded, 0};
  }
}

}  // namespace

Network::Network(const Scenario& scenario, Observer* observer)
    : topology_(scenario),
      behaviour_(scenario),
      loss_(scenario.loss),
      jitter_({0, scenario.jitter_ms}),
      observer_(observer),
      limiter_(scenario.limit_rate, scenario.limit_burst),
      queue_(MaxRoundTrip(scenario)) {}

void Network::Send(Instant now, std::span<const std::byte> packet) {
  Observation seen{.sent = now, .probe = packet, .reply = {}, .due = {}};
  seen.fate = Handle(now, packet, seen);
  Add(fates_[static_cast<size_t>(seen.fate)]);
  if (observer_ != nullptr) observer_->Observe(seen);
}

Fate Network::Handle(Instant now, std::span<const std::byte> packet,
                     Observation& seen) {
  if (packet.size() > kMaxPacketSize) return Fate::kMalformed;
  const auto probe = ReadProbe(packet);
  if (!probe) return Fate::kMalformed;
  if (!probe->answerable) return Fate::kNotAProbe;
  const bool right = !probe->echo_request || HasRightChecksum(*probe);
  if (!right) Add(wrong_checksums_);

  const uint64_t chance = probe->Identity(now);
  const uint64_t losses = Again(chance, kLoss);
  if (loss_.Holds(High(losses))) return Fate::kLostForward;
  const Passage passage = {
      .probe = *probe,
      .sent = now,
      .chance = chance,
      .landing =
          topology_.Land(probe->ip.destination, probe->keys, probe->ip.ttl),
      .right_checksum = right,
      .lost_on_return = loss_.Holds(Low(losses)),
      .seen = seen};
  return Answer(passage);
}

Fate Network::Answer(const Passage& passage) {
  const Landing& landing = passage.landing;
  switch (landing.event) {
    case Landing::Event::kExpired:
      return FromRouter(passage, Fate::kTimeExceeded);
    case Landing::Event::kUnrouted:
      if (!behaviour_.TellsUnrouted(landing.hash)) return Fate::kUnrouted;
      return FromRouter(passage, Fate::kNetUnreachable);
    case Landing::Event::kFiltered:
      if (!behaviour_.TellsFiltered(landing.hash)) return Fate::kFiltered;
      return FromRouter(passage, Fate::kProhibited);
    case Landing::Event::kArrived:
      break;
  }
  const uint32_t target = passage.probe.ip.destination;
  const HostTraits host = behaviour_.Host(target);
  if (host.answers) return FromHost(passage, host);
  if (!behaviour_.TellsAbsent(target)) return Fate::kSilentHost;
  return FromRouter(passage, Fate::kHostUnreachable);
}

Fate Network::FromRouter(const Passage& passage, Fate fate) {
  const Landing& landing = passage.landing;
  const RouterTraits router = behaviour_.Router(landing.router);
  if (router.silent) return Fate::kSilentRouter;
  if (router.limited &&
      !limiter_.Allow(landing.router, passage.sent + landing.forward)) {
    return Fate::kRateLimited;
  }
  if (passage.lost_on_return) return Fate::kLostReturn;

  const auto [type, code] = ErrorOf(fate);
  const IcmpError error = {.type = type,
                           .code = code,
                           .quoted_ttl = static_cast<uint8_t>(
                               passage.probe.ip.ttl - landing.crossed),
                           .quotes_all = router.quotes_all};
  const auto room = Return(passage, landing.router, landing.forward,
                           ErrorSize(passage.probe, error));
  const ReplyHeader header = {
      .source = landing.router,
      .id = static_cast<uint16_t>(passage.chance),
      .ttl = static_cast<uint8_t>(router.initial_ttl - landing.distance + 1)};
  WriteError(passage.probe, header, error, room);
  return fate;
}

Fate Network::FromHost(const Passage& passage, const HostTraits& host) {
  if (!passage.probe.echo_request) return Fate::kSilentHost;
  if (!passage.right_checksum) return Fate::kBadChecksum;
  if (passage.lost_on_return) return Fate::kLostReturn;
  const Landing& landing = passage.landing;
  const uint32_t target = passage.probe.ip.destination;
  const auto room = Return(passage, target, landing.forward + 2 * host.delay,
                           EchoReplySize(passage.probe));
  // The reply crosses every router of the path.
  const ReplyHeader header = {
      .source = target,
      .id = static_cast<uint16_t>(passage.chance),
      .ttl = static_cast<uint8_t>(host.initial_ttl - landing.distance)};
  WriteEchoReply(passage.probe, header, room);
  return Fate::kEchoReply;
}

std::span<std::byte> Network::Return(const Passage& passage, uint32_t responder,
                                     Nanos delay, size_t size) {
  Observation& seen = passage.seen;
  const Nanos jitter = jitter_.At(High(Again(passage.chance, kJitter)));
  seen.due = passage.sent + delay + passage.landing.back + jitter;
  const auto room = queue_.Push(passage.sent, seen.due, size);
  seen.responder = responder;
  seen.reply = room;
  return room;
}

NetworkCounters Network::counters() const {
  NetworkCounters copy;
  for (size_t i = 0; i < kFates; ++i) {
    copy.fates[i] = fates_[i].load(std::memory_order_relaxed);
  }
  copy.wrong_checksums = wrong_checksums_.load(std::memory_order_relaxed);
  return copy;
}

}  // namespace fathom::lab
