#include "src/lab/network.h"

#include <cstring>

#include "src/codec/headers.h"

namespace fathom::lab {
namespace {

// What the chance of one packet decides.
enum PacketDraw : uint64_t { kLoss = 1, kJitter, kBranch, kRewritten, kLabel };

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
    case Fate::kPortUnreachable:
      return {kIcmpUnreachable, kIcmpPortUnreachable};
    default:
      return {kIcmpTimeExceeded, 0};
  }
}

// A TTL that no probe has left where it runs out.
constexpr uint8_t kOddQuotedTtl = 64;

// RFC 3032 keeps the first labels for itself.
constexpr uint32_t kFirstLabel = 16;

// The label that the router behind `landing` reports.
Label LabelOf(const Landing& landing, uint64_t hash, const Share& odd) {
  constexpr uint32_t kLabels = 1 << 20;
  // A tunnel that hides its routers starts a TTL of its own.
  const int left =
      landing.tunnel == Tunnel::kOpaque ? 255 - landing.labelled : 1;
  return {.value = kFirstLabel + Below(kLabels - kFirstLabel, High(hash)),
          .ttl = static_cast<uint8_t>(left),
          .odd = odd.Holds(Low(hash))};
}

}  // namespace

Network::Network(const Scenario& scenario, Observer* observer)
    : topology_(scenario),
      behaviour_(scenario),
      loss_(scenario.loss),
      jitter_({0, scenario.jitter_ms}),
      odd_labels_(scenario.odd_labels),
      mischief_(scenario),
      observer_(observer),
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
  const bool right = HasRightChecksum(*probe);
  if (!right) Add(wrong_checksums_);

  const uint64_t chance = probe->Identity(now);
  const uint64_t losses = Again(chance, kLoss);
  if (loss_.Holds(High(losses))) return Fate::kLostForward;
  if (!start_) start_ = now;
  FlowKeys keys = probe->keys;
  keys.packet = Again(chance, kBranch);
  const Passage passage = {
      .probe = *probe,
      .sent = now,
      .chance = chance,
      .landing = topology_.Land(probe->ip.destination, keys, probe->ip.ttl,
                                now - *start_),
      .right_checksum = right,
      .lost_on_return = loss_.Holds(Low(losses)),
      .mishap = mischief_.Of(chance),
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
  if (host.present) return FromHost(passage, host);
  if (!behaviour_.TellsAbsent(target)) return Fate::kSilentHost;
  return FromRouter(passage, Fate::kHostUnreachable);
}

IcmpError Network::ErrorFrom(const Passage& passage, Fate fate,
                             const RouterTraits& router) const {
  const Landing& landing = passage.landing;
  auto [type, code] = ErrorOf(fate);
  if (fate == Fate::kProhibited) {
    type = kIcmpUnreachable;
    code = behaviour_.FilteredCode(landing.hash);
  }
  // Routers inside a tunnel look at its TTL only, so that of the packet stays
  // as it was when the packet came in.
  const bool inside = landing.labelled > 0 && landing.tunnel != Tunnel::kOpaque;
  const int quoted = passage.probe.ip.ttl - landing.crossed +
                     (inside ? landing.labelled - 1 : 0);
  return {.type = type,
          .code = code,
          .quoted_ttl = router.odd_quoted_ttl ? kOddQuotedTtl
                                              : static_cast<uint8_t>(quoted),
          .quotes = router.quotes,
          .rewrite = router.rewrite,
          .chance = High(Again(passage.chance, kRewritten))};
}

Fate Network::FromRouter(const Passage& passage, Fate fate) {
  const Landing& landing = passage.landing;
  const RouterTraits router = behaviour_.Router(landing.router);
  if (router.silent) return Fate::kSilentRouter;
  if (router.limited() &&
      !limiter_.Allow(landing.router, router.token, router.burst,
                      passage.sent + landing.forward)) {
    return Fate::kRateLimited;
  }
  if (passage.lost_on_return) return Fate::kLostReturn;

  IcmpError error = ErrorFrom(passage, fate, router);
  Label label;
  if (landing.labelled > 0 && landing.tunnel != Tunnel::kImplicit) {
    label = LabelOf(landing, Again(landing.router, kLabel), odd_labels_);
    error.label = &label;
  }
  if (error.rewrite == Rewrite::kTarget || error.rewrite == Rewrite::kFlow) {
    fate = Fate::kRewritten;
  }
  const ReplyHeader header = {
      .source = landing.router,
      .id = static_cast<uint16_t>(passage.chance),
      .ttl = static_cast<uint8_t>(router.initial_ttl - landing.distance -
                                  landing.hidden + 1)};
  return Return(
      passage, {fate, header, landing.forward, ErrorSize(passage.probe, error)},
      [&](std::span<std::byte> out) {
        WriteError(passage.probe, header, error, out);
      });
}

Fate Network::FromHost(const Passage& passage, const HostTraits& host) {
  const ProbePacket& probe = passage.probe;
  const bool answers = probe.question == Question::kEcho ||
                       (probe.question == Question::kUdp && host.udp) ||
                       ((probe.question == Question::kTcp ||
                         probe.question == Question::kTcpSyn) &&
                        host.tcp);
  if (!answers) return Fate::kSilentHost;
  if (!passage.right_checksum) return Fate::kBadChecksum;
  if (passage.lost_on_return) return Fate::kLostReturn;

  const Landing& landing = passage.landing;
  // The reply crosses every router of the path.
  const ReplyHeader header = {
      .source = probe.ip.destination,
      .id = static_cast<uint16_t>(passage.chance),
      .ttl = static_cast<uint8_t>(host.initial_ttl - landing.distance -
                                  landing.hidden)};
  const Nanos delay = landing.forward + 2 * host.delay;
  switch (probe.question) {
    case Question::kEcho:
      return Return(passage,
                    {Fate::kEchoReply, header, delay, EchoReplySize(probe)},
                    [&](std::span<std::byte> out) {
                      WriteEchoReply(probe, header, out);
                    });
    case Question::kUdp: {
      IcmpError error = ErrorFrom(passage, Fate::kPortUnreachable, {});
      // The host itself took none off.
      error.quoted_ttl = static_cast<uint8_t>(probe.ip.ttl - landing.distance);
      return Return(
          passage,
          {Fate::kPortUnreachable, header, delay, ErrorSize(probe, error)},
          [&](std::span<std::byte> out) {
            WriteError(probe, header, error, out);
          });
    }
    default:
      return Return(passage, {Fate::kTcpAnswer, header, delay, kTcpAnswerSize},
                    [&](std::span<std::byte> out) {
                      WriteTcpAnswer(probe, header, host.open, out);
                    });
  }
}

template <typename Write>
Fate Network::Return(const Passage& passage, const Departure& departure,
                     Write&& write) {
  Observation& seen = passage.seen;
  const Mishap& mishap = passage.mishap;
  const Nanos jitter = jitter_.At(High(Again(passage.chance, kJitter)));
  size_t size = departure.size;
  seen.due = passage.sent + departure.delay + passage.landing.back + jitter +
             mishap.late;
  seen.responder = departure.header.source;
  if (mishap.truncated) {
    std::array<std::byte, kMaxPacketSize> whole;
    write(std::span(whole).first(size));
    size = CutLength(size, passage.chance);
    const auto room = queue_.Push(passage.sent, seen.due, size);
    std::memcpy(room.data(), whole.data(), size);
    seen.reply = room;
    return Fate::kTruncated;
  }
  const auto room = queue_.Push(passage.sent, seen.due, size);
  write(room);
  seen.reply = room;
  if (mishap.duplicated) {
    const auto copy = queue_.Push(passage.sent, seen.due, size);
    std::memcpy(copy.data(), room.data(), size);
    seen.copies = 2;
    Add(duplicates_);
  }
  AddExtras(passage, seen.due);
  return departure.fate;
}

void Network::AddExtras(const Passage& passage, Instant due) {
  if (passage.mishap.forged) {
    WriteForged(passage.probe, passage.chance,
                queue_.Push(passage.sent, due, kForgedSize));
    Add(forged_);
  }
  if (passage.mishap.garbage) {
    WriteGarbage(passage.probe, passage.chance,
                 queue_.Push(passage.sent, due, GarbageSize(passage.chance)));
    Add(garbage_);
  }
}

NetworkCounters Network::counters() const {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  NetworkCounters copy;
  for (size_t i = 0; i < kFates; ++i) copy.fates[i] = read(fates_[i]);
  copy.wrong_checksums = read(wrong_checksums_);
  copy.duplicates = read(duplicates_);
  copy.forged = read(forged_);
  copy.garbage = read(garbage_);
  return copy;
}

}  // namespace fathom::lab
