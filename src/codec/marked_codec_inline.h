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

inline uint16_t SumWords(uint32_t value) {
  return OnesAdd(static_cast<uint16_t>(value >> 16),
                 static_cast<uint16_t>(value));
}

inline uint32_t Microseconds(Instant time) {
  return static_cast<uint32_t>(time.time_since_epoch() /
                               std::chrono::microseconds(1));
}

template <Transport T>
MarkedCodec<T>::MarkedCodec(const CodecOptions& options)
    : options_(options),
      clock_(static_cast<uint32_t>(SipHash(options.key, ~uint64_t{0}))),
      link_size_(options.link_header.size()),
      frame_(link_size_ + sizeof(ProbePacket) + options.contact.size()) {
  options_.link_header = {};
  WriteTemplate(options.link_header);
}

template <Transport T>
void MarkedCodec<T>::WriteTemplate(std::span<const std::byte> link_header) {
  ProbePacket packet{};
  packet.ip.version_ihl = 0x45;
  packet.ip.total_length = static_cast<uint16_t>(frame_.size() - link_size_);
  packet.ip.protocol = T::kProtocol;
  packet.ip.source = options_.source.v4();
  packet.header = T::HeaderOf(Mark{}, transport_size());

  const std::span<std::byte> frame(frame_);
  std::copy(link_header.begin(), link_header.end(), frame.begin());
  Store(packet, frame.subspan(link_size_));
  const auto contact = std::as_bytes(std::span(options_.contact));
  std::copy(contact.begin(), contact.end(),
            frame.begin() + link_size_ + sizeof packet);
  ip_sum_ = OnesSum(frame.subspan(link_size_, sizeof(Ipv4Header)));
  transport_sum_ = OnesSum(frame.subspan(link_size_ + sizeof(Ipv4Header)));
  if (T::kPseudo) {
    const uint16_t rest = OnesAdd(T::kProtocol, transport_size());
    transport_sum_ =
        OnesAdd(OnesAdd(transport_sum_, rest), SumWords(options_.source.v4()));
  }
}

template <Transport T>
auto MarkedCodec<T>::ProofOf(uint32_t target) const -> Proof {
  const uint64_t hash = SipHash(options_.key, target);
  return {static_cast<uint16_t>(T::kHasProof ? hash >> 16 : 0),
          static_cast<uint16_t>((hash & 0xffff) % T::kValues)};
}

template <Transport T>
std::optional<FlowId> MarkedCodec<T>::FlowOf(uint32_t target,
                                             const Mark& mark) const {
  const Proof proof = ProofOf(target);
  if (mark.proof != proof.proof) return std::nullopt;
  const uint32_t flow = (mark.value + T::kValues - proof.value) % T::kValues;
  if (flow >= options_.flows) return std::nullopt;
  return FlowId(static_cast<uint16_t>(flow));
}

template <Transport T>
bool MarkedCodec<T>::IsRecent(const Mark& mark, Instant arrival) const {
  return T::kHasProof || clock_.IsPlausible(CoarseOf(mark), arrival);
}

template <Transport T>
void MarkedCodec<T>::Encode(Instant now, std::span<const Probe> probes,
                            std::span<TxFrame> frames) const {
  assert(probes.size() <= frames.size());
  const uint32_t ticks = clock_.Ticks(now);
  const uint32_t microseconds = Microseconds(now);
  const auto coarse = static_cast<uint16_t>(ticks >> ProbeClock::kFineBits);
  const auto fine = static_cast<uint16_t>(ticks);
  const uint16_t ip_sum = OnesAdd(ip_sum_, fine);
  const uint16_t transport_sum =
      OnesAdd(transport_sum_, SumWords(microseconds));

  for (size_t i = 0; i < probes.size(); ++i) {
    const Probe& probe = probes[i];
    TxFrame& frame = frames[i];
    assert(frame.room.size() >= frame_.size());
    const uint32_t target = probe.target.v4();
    const uint16_t target_sum = SumWords(target);
    const Proof proof = ProofOf(target);
    const Mark mark{
        .proof = proof.proof,
        .value = static_cast<uint16_t>(
            (uint32_t{proof.value} + probe.flow.value()) % T::kValues),
        .time = static_cast<uint16_t>(
            probe.ttl.value() << ProbeClock::kCoarseBits | coarse)};

    std::copy(frame_.begin(), frame_.end(), frame.room.begin());
    const auto at = frame.room.subspan(link_size_);
    auto packet = Load<ProbePacket>(at);
    packet.ip.id = fine;
    packet.ip.ttl = probe.ttl.value();
    packet.ip.destination = target;
    packet.ip.checksum = static_cast<uint16_t>(
        ~OnesAdd(OnesAdd(ip_sum, target_sum),
                 static_cast<uint16_t>(probe.ttl.value() << 8)));
    packet.header = T::HeaderOf(mark, transport_size());
    packet.payload.target = target;
    packet.payload.microseconds = microseconds;
    // All words and the tweak must sum to 0xffff (RFC 1071); the target is in
    // the pseudo-header, too.
    uint16_t sum = OnesAdd(OnesAdd(transport_sum, target_sum),
                           OnesAdd(OnesAdd(mark.proof, mark.value), mark.time));
    if (T::kPseudo) sum = OnesAdd(sum, target_sum);
    packet.payload.tweak = static_cast<uint16_t>(~sum);
    Store(packet, at);
    frame.length = frame_.size();
  }
}

template <Transport T>
Verdict MarkedCodec<T>::Decode(const RxFrame& frame, Reply& reply) const {
  const Packet packet = Dissect(frame.bytes);
  switch (packet.shape) {
    case PacketShape::kError:
      return DecodeError(packet, frame.arrival, reply);
    case PacketShape::kEchoReply:
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
  if (packet.icmp_type == kIcmpTimeExceeded) return ReplyKind::kHop;
  if (packet.source == target) return ReplyKind::kDestination;
  const bool host =
      packet.icmp_type == kIcmpEchoReply || T::IsHosts(packet.icmp_code);
  return host ? ReplyKind::kAlias : ReplyKind::kUnreachable;
}

template <Transport T>
Ttl MarkedCodec<T>::TtlOf(const Mark& mark) {
  return Ttl(static_cast<uint8_t>(mark.time >> ProbeClock::kCoarseBits));
}

template <Transport T>
uint32_t MarkedCodec<T>::CoarseOf(const Mark& mark) {
  return mark.time & ((1U << ProbeClock::kCoarseBits) - 1);
}

template <Transport T>
auto MarkedCodec<T>::StampOf(std::span<const std::byte> transport)
    -> std::optional<Stamp> {
  constexpr size_t kStart = sizeof(typename T::Header);
  if (transport.size() < kStart + sizeof(Payload)) return std::nullopt;
  const auto payload = transport.subspan(kStart);
  const uint32_t target =
      Load<Be32>(payload.subspan(offsetof(Payload, target)));
  // Zeros are what short quotes are filled up with (RFC 4884).
  if (target == 0) return std::nullopt;
  return Stamp{.target = target,
               .microseconds = Load<Be32>(
                   payload.subspan(offsetof(Payload, microseconds)))};
}

// The round-trip time by the payload's clock, which wraps after 71 minutes.
template <Transport T>
Nanos MarkedCodec<T>::RttOf(const Stamp& stamp, Instant arrival) {
  const Nanos rtt = std::chrono::microseconds(
      static_cast<uint32_t>(Microseconds(arrival) - stamp.microseconds));
  return rtt <= ProbeClock::kMaxRtt ? rtt : kUnknownRtt;
}

template <Transport T>
Verdict MarkedCodec<T>::DecodeError(const Packet& packet, Instant arrival,
                                    Reply& reply) const {
  const QuotedPacket& quote = packet.quote;
  if (quote.protocol != T::kProtocol || quote.source != options_.source) {
    return Verdict::kForeign;
  }
  const auto mark = T::Read(quote.transport);
  if (!mark) return Verdict::kForeign;
  const auto flow = FlowOf(quote.destination.v4(), *mark);
  const auto stamp = StampOf(quote.transport);
  const bool stamped = stamp && stamp->target == quote.destination.v4();
  // A payload may be damaged where the proof does without it.
  if (!flow || (!T::kHasProof && stamp && !stamped)) {
    return WhyUnproven(quote, *mark, arrival);
  }
  const Ttl ttl = TtlOf(*mark);
  if (!InRange(ttl) || !IsRecent(*mark, arrival)) return Verdict::kForeign;

  reply.probe = {quote.destination, ttl, *flow};
  reply.responder = packet.source;
  reply.kind = KindOf(packet, quote.destination);
  reply.icmp_type = packet.icmp_type;
  reply.icmp_code = packet.icmp_code;
  reply.arrival_ttl = packet.ttl;
  reply.received = arrival;
  reply.rtt = kUnknownRtt;
  reply.quoted_ttl = quote.ttl;
  if (stamped) {
    reply.rtt = RttOf(*stamp, arrival);
  } else if (quote.id != 0) {
    // Some routers quote an IP id of zero, whatever was sent.
    reply.rtt = clock_.Since(
        CoarseOf(*mark) << ProbeClock::kFineBits | quote.id, arrival);
  }
  return Verdict::kReply;
}

// Tells a probe of this scan with a new destination from one of another scan.
// The payload decides where it was quoted; otherwise the time, the TTL and the
// length must be those of a probe of ours.
template <Transport T>
Verdict MarkedCodec<T>::WhyUnproven(const QuotedPacket& quote, const Mark& mark,
                                    Instant arrival) const {
  bool ours;
  if (const auto stamp = StampOf(quote.transport)) {
    ours = FlowOf(stamp->target, mark).has_value() && IsRecent(mark, arrival);
  } else {
    ours = quote.total_length == frame_.size() - link_size_ &&
           InRange(TtlOf(mark)) && clock_.IsPlausible(CoarseOf(mark), arrival);
  }
  return ours ? Verdict::kRewritten : Verdict::kForeign;
}

// An answer of the host itself, which brings back header and payload.
template <Transport T>
Verdict MarkedCodec<T>::DecodeAnswer(const Packet& packet, Instant arrival,
                                     Reply& reply) const {
  const auto stamp = StampOf(packet.icmp);
  const auto mark = stamp ? T::ReadAnswer(packet.icmp) : std::nullopt;
  if (!mark) return Verdict::kForeign;
  const auto flow = FlowOf(stamp->target, *mark);
  const Ttl ttl = TtlOf(*mark);
  if (!flow || !InRange(ttl)) return Verdict::kForeign;

  const IpAddress target = IpAddress::V4(stamp->target);
  reply.probe = {target, ttl, *flow};
  reply.responder = packet.source;
  reply.kind = KindOf(packet, target);
  reply.icmp_type = packet.icmp_type;
  reply.icmp_code = packet.icmp_code;
  reply.arrival_ttl = packet.ttl;
  reply.received = arrival;
  reply.rtt = RttOf(*stamp, arrival);
  reply.quoted_ttl = Ttl();
  return Verdict::kReply;
}

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_MARKED_CODEC_INLINE_H_
