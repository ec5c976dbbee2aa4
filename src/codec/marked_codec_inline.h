#ifndef FATHOM_SRC_CODEC_MARKED_CODEC_INLINE_H_
#define FATHOM_SRC_CODEC_MARKED_CODEC_INLINE_H_

#include <algorithm>
#include <cassert>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"
#include "src/codec/marked_codec.h"

namespace fathom {

// The body of MarkedCodec, for the files that register one.

inline uint32_t Microseconds(Instant time) {
  return static_cast<uint32_t>(time.time_since_epoch() /
                               std::chrono::microseconds(1));
}

// Probes have the ids of their times, but 1 for 0, which some routers quote
// whatever was sent.
inline uint16_t IdOf(uint32_t ticks) {
  const auto fine = static_cast<uint16_t>(ticks);
  return fine == 0 ? 1 : fine;
}
inline uint32_t FineOf(uint16_t id) { return id == 1 ? 0 : id; }

template <Transport T>
MarkedCodec<T>::MarkedCodec(const CodecOptions& options)
    : options_(options),
      clock_(static_cast<uint32_t>(SipHash(options.key, ~uint64_t{0}))),
      link_size_(options.link_header.size()),
      frame_(link_size_ + sizeof(ProbePacket) + options.contact.size()) {
  static_assert(sizeof(ProbePacket) ==
                sizeof(typename Ip::Header) + sizeof(typename T::Header) +
                    (T::kHasPayload ? sizeof(Payload) : 0));
  options_.link_header = {};
  WriteTemplate(options.link_header);
}

template <Transport T>
void MarkedCodec<T>::WriteTemplate(std::span<const std::byte> link_header) {
  constexpr size_t kIpSize = sizeof(typename Ip::Header);
  const auto transport_size = static_cast<uint16_t>(packet_size() - kIpSize);
  ProbePacket packet{};
  packet.ip = Ip::Template(options_.source, T::kProtocol, packet_size());
  packet.header = T::HeaderOf(Mark{}, transport_size);

  const std::span<std::byte> frame(frame_);
  std::copy(link_header.begin(), link_header.end(), frame.begin());
  Store(packet, frame.subspan(link_size_));
  const auto contact = std::as_bytes(std::span(options_.contact));
  std::copy(contact.begin(), contact.end(),
            frame.begin() + link_size_ + sizeof packet);
  ip_sum_ = OnesSum(frame.subspan(link_size_, kIpSize));
  transport_sum_ = OnesSum(frame.subspan(link_size_ + kIpSize));
  if (T::kPseudo) {
    const uint16_t rest = OnesAdd(T::kProtocol, transport_size);
    transport_sum_ =
        OnesAdd(OnesAdd(transport_sum_, rest), Ip::SumOf(options_.source));
  }
}

template <Transport T>
auto MarkedCodec<T>::ProofOf(const IpAddress& target) const -> Proof {
  const uint64_t hash = Ip::Hash(options_.key, target);
  return {static_cast<uint16_t>(T::kHasProof ? hash >> 16 : 0),
          static_cast<uint16_t>((hash & 0xffff) % T::kValues),
          static_cast<uint32_t>(hash >> 32)};
}

template <Transport T>
std::optional<FlowId> MarkedCodec<T>::FlowOf(const Proof& proof,
                                             const Mark& mark) const {
  if (mark.proof != proof.proof) return std::nullopt;
  const uint32_t flow = (mark.value + T::kValues - proof.value) % T::kValues;
  if (flow >= options_.flows) return std::nullopt;
  return FlowId(static_cast<uint16_t>(flow));
}

template <Transport T>
bool MarkedCodec<T>::IsRecent(uint32_t time, Instant arrival) const {
  return T::kHasProof || clock_.IsPlausible(CoarseOf(time), arrival);
}

template <Transport T>
void MarkedCodec<T>::Encode(Instant now, std::span<const Probe> probes,
                            std::span<TxFrame> frames) const {
  assert(probes.size() <= frames.size());
  // An odd number times the flow: labels of a target differ while there are.
  constexpr uint32_t kLabelStep = 0x9e375;
  constexpr uint32_t kLabelMask = 0xfffff;
  const uint32_t ticks = clock_.Ticks(now);
  const uint32_t microseconds = Microseconds(now);
  const uint32_t carried = T::kHasFine ? ticks : ticks & ~uint32_t{0xffff};
  const uint16_t id = IdOf(ticks);

  for (size_t i = 0; i < probes.size(); ++i) {
    const Probe& probe = probes[i];
    TxFrame& frame = frames[i];
    assert(frame.room.size() >= frame_.size());
    const uint16_t target_sum = Ip::SumOf(probe.target);
    const Proof proof = ProofOf(probe.target);
    const uint32_t time = TimeWith(probe.ttl, carried);
    const Mark mark{
        .proof = proof.proof,
        .value = static_cast<uint16_t>(
            (uint32_t{proof.value} + probe.flow.value()) % T::kValues),
        .time = T::kHasFine ? time ^ proof.whitening : time};

    std::copy(frame_.begin(), frame_.end(), frame.room.begin());
    const auto at = frame.room.subspan(link_size_);
    auto packet = Load<ProbePacket>(at);
    Ip::Fill({.target = probe.target,
              .target_sum = target_sum,
              .ttl = probe.ttl.value(),
              .id = id,
              .label = (proof.whitening + probe.flow.value() * kLabelStep) &
                       kLabelMask},
             ip_sum_, packet.ip);
    packet.header = T::HeaderOf(
        mark, static_cast<uint16_t>(packet_size() - sizeof packet.ip));
    // All words must sum to 0xffff (RFC 1071), those of the pseudo-header, in
    // which the target is, among them.
    uint16_t sum = OnesAdd(transport_sum_, T::SumOf(mark));
    if (T::kPseudo) sum = OnesAdd(sum, target_sum);
    if constexpr (T::kHasPayload) {
      const uint32_t stamp = microseconds + proof.whitening;
      packet.payload.target = Ip::ToWire(probe.target);
      packet.payload.microseconds = stamp;
      sum = OnesAdd(sum, OnesAdd(target_sum, SumWords(stamp)));
      packet.payload.tweak = static_cast<uint16_t>(~sum);
    } else {
      packet.header.checksum = static_cast<uint16_t>(~sum);
    }
    Store(packet, at);
    frame.length = frame_.size();
  }
}

template <Transport T>
Verdict MarkedCodec<T>::Decode(const RxFrame& frame, Reply& reply) const {
  const Packet packet = Dissect(frame.bytes);
  const bool is_segment = packet.protocol == kProtocolTcp;
  if (packet.family != T::kFamily ||
      (is_segment && T::kProtocol != kProtocolTcp)) {
    return Verdict::kOther;
  }
  switch (packet.shape) {
    case PacketShape::kError:
      return DecodeError(packet, frame.arrival, reply);
    case PacketShape::kEchoReply:
      if (T::kProtocol == kProtocolTcp) return Verdict::kForeign;
      return DecodeAnswer(packet, frame.arrival, reply);
    case PacketShape::kSegment:
      return DecodeAnswer(packet, frame.arrival, reply);
    case PacketShape::kMalformed:
      return Verdict::kMalformed;
    case PacketShape::kOther:
      break;
  }
  return Verdict::kOther;
}

template <Transport T>
ReplyKind MarkedCodec<T>::KindOf(const Packet& packet,
                                 const IpAddress& target) {
  const bool is_error = packet.shape == PacketShape::kError;
  if (is_error && packet.icmp_type == Ip::kTimeExceeded) return ReplyKind::kHop;
  if (packet.source == target) return ReplyKind::kDestination;
  const bool is_problem = T::kFamily == Family::kIpv6 &&
                          packet.icmp_type == kIcmpv6ParameterProblem;
  // Only the host that was asked looks at what the last header is.
  const bool host =
      !is_error || (is_problem ? packet.icmp_code == kIcmpv6UnknownHeader
                               : T::IsHosts(packet.icmp_code));
  return host ? ReplyKind::kAlias : ReplyKind::kUnreachable;
}

template <Transport T>
auto MarkedCodec<T>::StampOf(std::span<const std::byte> transport)
    -> std::optional<Stamp> {
  constexpr size_t kStart = sizeof(typename T::Header);
  if (!T::kHasPayload || transport.size() < kStart + sizeof(Payload)) {
    return std::nullopt;
  }
  const auto payload = transport.subspan(kStart);
  const IpAddress target = Ip::FromWire(Load<typename Ip::WireAddress>(
      payload.subspan(offsetof(Payload, target))));
  // Zeros are what short quotes are filled up with (RFC 4884).
  if (target == Ip::FromWire({})) return std::nullopt;
  return Stamp{.target = target,
               .microseconds = Load<Be32>(
                   payload.subspan(offsetof(Payload, microseconds)))};
}

// The round-trip time by the payload's clock, which wraps after 71 minutes.
template <Transport T>
Nanos MarkedCodec<T>::RttOf(const Stamp& stamp, const Proof& proof,
                            Instant arrival) {
  const uint32_t sent = stamp.microseconds - proof.whitening;
  const Nanos rtt = std::chrono::microseconds(
      static_cast<uint32_t>(Microseconds(arrival) - sent));
  return rtt <= ProbeClock::kMaxRtt ? rtt : kUnknownRtt;
}

template <Transport T>
bool MarkedCodec<T>::IsFresh(const Stamp& stamp, const Proof& proof,
                             Instant arrival) {
  const Nanos rtt = RttOf(stamp, proof, arrival);
  return rtt != kUnknownRtt && rtt <= ProbeClock::kPlausibleAge;
}

// `stamped` is the round-trip time by the payload, if it came back.
template <Transport T>
auto MarkedCodec<T>::TimingOf(const QuotedPacket& quote, uint32_t time,
                              Nanos stamped, Instant arrival) const -> Timing {
  if (stamped != kUnknownRtt) {
    // Whole microseconds ago, since those are what was written.
    const Instant sent = Instant(std::chrono::floor<std::chrono::microseconds>(
                             arrival.time_since_epoch())) -
                         stamped;
    return {.rtt = stamped,
            .id_changed = Ip::kHasId && quote.id != IdOf(clock_.Ticks(sent))};
  }
  if (T::kHasFine) {
    return {.rtt = clock_.Since(TicksOf(time), arrival),
            .id_changed = Ip::kHasId && quote.id != IdOf(TicksOf(time))};
  }
  if (!Ip::kHasId) return {};
  if (quote.id == 0) return {.id_changed = true};
  const Nanos rtt = clock_.Since(TicksOf(time) | FineOf(quote.id), arrival);
  // An id that says the impossible beside a possible coarse time is another's.
  return {.rtt = rtt,
          .id_changed = rtt == kUnknownRtt &&
                        clock_.IsPlausible(CoarseOf(time), arrival)};
}

template <Transport T>
void MarkedCodec<T>::CopyFacts(const Packet& packet, Instant arrival,
                               Reply& reply) {
  reply.responder = packet.source;
  reply.received = arrival;
  reply.kind = KindOf(packet, reply.probe.target);
  reply.icmp_type = packet.icmp_type;
  reply.icmp_code = packet.icmp_code;
  reply.arrival_ttl = packet.ttl;
  reply.quoted_ttl = packet.quote ? packet.quote->ttl : Ttl();
  reply.quoted_tos = packet.quote ? packet.quote->tos : uint8_t{0};
  reply.tcp_flags = packet.tcp_flags;
  reply.extensions = {packet.extensions};
}

template <Transport T>
Verdict MarkedCodec<T>::DecodeError(const Packet& packet, Instant arrival,
                                    Reply& reply) const {
  const QuotedPacket& quote = *packet.quote;
  if (quote.protocol != T::kProtocol || quote.source != options_.source) {
    return Verdict::kForeign;
  }
  const auto mark = T::Read(quote.transport);
  if (!mark) return Verdict::kForeign;
  const Proof proof = ProofOf(quote.destination);
  const auto flow = FlowOf(proof, *mark);
  const uint32_t time = TimeOf(*mark, proof);
  const auto stamp = StampOf(quote.transport);
  const bool is_stamped = stamp && stamp->target == quote.destination;
  // A payload may be damaged where the proof does without it.
  if (!flow || !InRange(TtlOf(time)) || !IsRecent(time, arrival) ||
      (!T::kHasProof && stamp && !is_stamped)) {
    return WhyUnproven(quote, *mark, arrival);
  }
  reply.probe = {quote.destination, TtlOf(time), *flow};
  CopyFacts(packet, arrival, reply);
  const Timing timing = TimingOf(
      quote, time, is_stamped ? RttOf(*stamp, proof, arrival) : kUnknownRtt,
      arrival);
  reply.rtt = timing.rtt;
  reply.changes = static_cast<uint8_t>(
      (timing.id_changed ? kChangedId : 0) |
      (quote.total_length != packet_size() ? kChangedLength : 0));
  return Verdict::kReply;
}

// Tells a probe of this scan that was rewritten from one of another scan.
template <Transport T>
Verdict MarkedCodec<T>::WhyUnproven(const QuotedPacket& quote, const Mark& mark,
                                    Instant arrival) const {
  const auto stamp = StampOf(quote.transport);
  if (!stamp) {
    if (HasProvenPart(quote, mark, arrival)) return Verdict::kRewrittenPort;
    // The time, the TTL and the length are those of a probe of ours, and
    // nothing says which: another destination is what makes all proofs wrong.
    const bool ours = !T::kHasFine && quote.total_length == packet_size() &&
                      InRange(TtlOf(mark.time)) &&
                      clock_.IsPlausible(CoarseOf(mark.time), arrival);
    return ours ? Verdict::kRewrittenAddress : Verdict::kForeign;
  }
  const Proof proof = ProofOf(stamp->target);
  const bool is_fresh = IsFresh(*stamp, proof, arrival);
  if (stamp->target == quote.destination) {
    return is_fresh ? Verdict::kRewrittenPort : Verdict::kForeign;
  }
  const bool is_proven = T::kHasProof && FlowOf(proof, mark).has_value();
  return is_fresh || is_proven ? Verdict::kRewrittenAddress : Verdict::kForeign;
}

// Whether `mark` is what is left of that of a probe to the quoted destination.
template <Transport T>
bool MarkedCodec<T>::HasProvenPart(const QuotedPacket& quote, const Mark& mark,
                                   Instant arrival) const {
  const Proof proof = ProofOf(quote.destination);
  const uint32_t time = TimeOf(mark, proof);
  return InRange(TtlOf(time)) && clock_.IsPlausible(CoarseOf(time), arrival) &&
         T::IsNearMiss(mark, {.proof = proof.proof, .value = proof.value},
                       options_.flows);
}

// An answer of the host itself: an echo reply, which brings back header and
// payload, or a TCP segment, which brings back the mark.
template <Transport T>
Verdict MarkedCodec<T>::DecodeAnswer(const Packet& packet, Instant arrival,
                                     Reply& reply) const {
  const auto stamp = StampOf(packet.body);
  if (T::kHasPayload && !stamp) return Verdict::kForeign;
  const IpAddress& target = T::kHasPayload ? stamp->target : packet.source;
  const uint16_t moved =
      T::kPseudo ? OnesSubtract(Ip::SumOf(packet.source), Ip::SumOf(target))
                 : 0;
  const auto mark = T::ReadAnswer(packet.body, moved);
  if (!mark) return Verdict::kForeign;
  const Proof proof = ProofOf(target);
  const auto flow = FlowOf(proof, *mark);
  const uint32_t time = TimeOf(*mark, proof);
  if (!flow || !InRange(TtlOf(time)) || !IsRecent(time, arrival)) {
    return Verdict::kForeign;
  }
  reply.probe = {target, TtlOf(time), *flow};
  CopyFacts(packet, arrival, reply);
  reply.rtt = stamp ? RttOf(*stamp, proof, arrival)
                    : clock_.Since(TicksOf(time), arrival);
  reply.changes = 0;
  return Verdict::kReply;
}

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_MARKED_CODEC_INLINE_H_
