// ICMP echo probes over IPv4.
//
// A router must quote the IP header of a probe and eight bytes after it, and
// many quote no more, so all that a reply must tell stands there:
//
//   checksum (16)  proof + flow       constant per (target, flow): balancers
//   id (16)        proof              hash type, code, checksum, some the id
//   sequence (16)  TTL, coarse time   no balancer is known to hash it
//   IP id (16)     fine time          may be rewritten: then the RTT is lost
//   payload        tweak, target, time in microseconds, contact text
//
// The tweak makes the wished-for checksum the true one. The proof is a keyed
// hash of the target, so a reply is ours if the destination it quotes proves
// right; a target in the payload that proves right under another quoted
// destination says that the destination was rewritten on the way.

#include <algorithm>
#include <cassert>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"
#include "src/codec/dissect.h"
#include "src/codec/headers.h"
#include "src/codec/probe_clock.h"

namespace fathom {
namespace {

struct Payload {
  Be16 tweak;
  Be32 target;
  Be32 microseconds;
};
static_assert(sizeof(Payload) == 10);

struct ProbePacket {
  Ipv4Header ip;
  IcmpHeader icmp;
  Payload payload;
};
static_assert(sizeof(ProbePacket) == 38);

// What the sender writes and the reply must bring back: one target's proof.
struct Proof {
  uint16_t id;
  uint16_t checksum;  // Of flow 0.
};

// The parts of a probe, or of an answer, that are read. In host order, each
// read where it stands: a header copied as a whole would be written and read in
// words of different sizes, and each such read waits for the write.
struct Echo {
  uint16_t type_and_code;
  uint16_t checksum;
  uint16_t id;
  uint16_t sequence;
};

// REQUIRES: at least eight bytes.
Echo EchoOf(std::span<const std::byte> icmp) {
  return {.type_and_code = Load<Be16>(icmp),
          .checksum = Load<Be16>(icmp.subspan(offsetof(IcmpHeader, checksum))),
          .id = Load<Be16>(icmp.subspan(offsetof(IcmpHeader, id))),
          .sequence = Load<Be16>(icmp.subspan(offsetof(IcmpHeader, sequence)))};
}

struct Stamp {
  uint32_t target;
  uint32_t microseconds;
};

// Checksums run through 1 to 0xfffe: the two zeros of ones' complement are
// left out, since devices turn one into the other.
constexpr uint32_t kChecksums = 0xfffe;

constexpr uint16_t kEchoWord = uint16_t{kIcmpEchoRequest} << 8;

uint16_t SumWords(uint32_t value) {
  return OnesAdd(static_cast<uint16_t>(value >> 16),
                 static_cast<uint16_t>(value));
}

uint32_t Microseconds(Instant time) {
  return static_cast<uint32_t>(time.time_since_epoch() /
                               std::chrono::microseconds(1));
}

class IcmpCodec final : public ProbeCodec {
 public:
  explicit IcmpCodec(const CodecOptions& options)
      : options_(options),
        clock_(static_cast<uint32_t>(SipHash(options.key, ~uint64_t{0}))),
        link_size_(options.link_header.size()),
        frame_(link_size_ + sizeof(ProbePacket) + options.contact.size()) {
    options_.link_header = {};
    WriteTemplate(options.link_header);
  }

  void Encode(Instant now, std::span<const Probe> probes,
              std::span<TxFrame> frames) const override;
  Verdict Decode(const RxFrame& frame, Reply& reply) const override;
  size_t probe_size() const override { return frame_.size(); }

 private:
  void WriteTemplate(std::span<const std::byte> link_header);

  Proof ProofOf(uint32_t target) const {
    const uint64_t hash = SipHash(options_.key, target);
    return {static_cast<uint16_t>(hash >> 16),
            static_cast<uint16_t>(1 + (hash & 0xffff) % kChecksums)};
  }

  // The flow that `id` and `checksum` prove for `target`, if they do.
  std::optional<FlowId> FlowOf(uint32_t target, uint16_t id,
                               uint16_t checksum) const {
    const Proof proof = ProofOf(target);
    if (id != proof.id || checksum == 0 || checksum > kChecksums) {
      return std::nullopt;
    }
    const uint32_t flow = (checksum + kChecksums - proof.checksum) % kChecksums;
    if (flow >= options_.flows) return std::nullopt;
    return FlowId(static_cast<uint16_t>(flow));
  }

  bool InRange(Ttl ttl) const {
    return options_.min_ttl <= ttl && ttl <= options_.max_ttl;
  }

  Verdict DecodeError(const Packet& packet, Instant arrival,
                      Reply& reply) const;
  Verdict DecodeEcho(const Packet& packet, Instant arrival, Reply& reply) const;
  Verdict WhyUnproven(const QuotedPacket& quote, const Echo& probe,
                      Instant arrival) const;

  CodecOptions options_;
  ProbeClock clock_;
  size_t link_size_;
  // A whole probe whose varying fields are zero, and what it sums to.
  std::vector<std::byte> frame_;
  uint16_t ip_sum_ = 0;
  uint16_t icmp_sum_ = 0;
};

void IcmpCodec::WriteTemplate(std::span<const std::byte> link_header) {
  ProbePacket packet{};
  packet.ip.version_ihl = 0x45;
  packet.ip.total_length = static_cast<uint16_t>(frame_.size() - link_size_);
  packet.ip.protocol = kProtocolIcmp;
  packet.ip.source = options_.source.v4();
  packet.icmp.type = kIcmpEchoRequest;

  const std::span<std::byte> frame(frame_);
  std::copy(link_header.begin(), link_header.end(), frame.begin());
  Store(packet, frame.subspan(link_size_));
  const auto contact = std::as_bytes(std::span(options_.contact));
  std::copy(contact.begin(), contact.end(),
            frame.begin() + link_size_ + sizeof packet);
  ip_sum_ = OnesSum(frame.subspan(link_size_, sizeof(Ipv4Header)));
  icmp_sum_ = OnesSum(frame.subspan(link_size_ + sizeof(Ipv4Header)));
}

void IcmpCodec::Encode(Instant now, std::span<const Probe> probes,
                       std::span<TxFrame> frames) const {
  assert(probes.size() <= frames.size());
  const uint32_t ticks = clock_.Ticks(now);
  const uint32_t microseconds = Microseconds(now);
  const auto coarse = static_cast<uint16_t>(ticks >> ProbeClock::kFineBits);
  const auto fine = static_cast<uint16_t>(ticks);
  const uint16_t ip_sum = OnesAdd(ip_sum_, fine);
  const uint16_t icmp_sum = OnesAdd(icmp_sum_, SumWords(microseconds));

  for (size_t i = 0; i < probes.size(); ++i) {
    const Probe& probe = probes[i];
    TxFrame& frame = frames[i];
    assert(frame.room.size() >= frame_.size());
    const uint32_t target = probe.target.v4();
    const uint16_t target_sum = SumWords(target);
    const Proof proof = ProofOf(target);
    const auto checksum = static_cast<uint16_t>(
        1 + (proof.checksum - 1U + probe.flow.value()) % kChecksums);
    const auto sequence = static_cast<uint16_t>(
        probe.ttl.value() << ProbeClock::kCoarseBits | coarse);

    std::copy(frame_.begin(), frame_.end(), frame.room.begin());
    const auto at = frame.room.subspan(link_size_);
    auto packet = Load<ProbePacket>(at);
    packet.ip.id = fine;
    packet.ip.ttl = probe.ttl.value();
    packet.ip.destination = target;
    packet.ip.checksum = static_cast<uint16_t>(
        ~OnesAdd(OnesAdd(ip_sum, target_sum),
                 static_cast<uint16_t>(probe.ttl.value() << 8)));
    packet.icmp.checksum = checksum;
    packet.icmp.id = proof.id;
    packet.icmp.sequence = sequence;
    packet.payload.target = target;
    packet.payload.microseconds = microseconds;
    // All words and the tweak must sum to 0xffff (RFC 1071).
    packet.payload.tweak = static_cast<uint16_t>(~OnesAdd(
        OnesAdd(OnesAdd(icmp_sum, target_sum), OnesAdd(proof.id, checksum)),
        sequence));
    Store(packet, at);
    frame.length = frame_.size();
  }
}

Verdict IcmpCodec::Decode(const RxFrame& frame, Reply& reply) const {
  const Packet packet = Dissect(frame.bytes);
  switch (packet.shape) {
    case PacketShape::kError:
      return DecodeError(packet, frame.arrival, reply);
    case PacketShape::kEchoReply:
      return DecodeEcho(packet, frame.arrival, reply);
    case PacketShape::kMalformed:
      return Verdict::kMalformed;
    case PacketShape::kOther:
      break;
  }
  return Verdict::kOther;
}

ReplyKind KindOf(const Packet& packet, const IpAddress& target) {
  if (packet.icmp_type == kIcmpTimeExceeded) return ReplyKind::kHop;
  if (packet.source == target) return ReplyKind::kDestination;
  return packet.icmp_type == kIcmpEchoReply ? ReplyKind::kAlias
                                            : ReplyKind::kUnreachable;
}

// All but the times and the quoted TTL.
void FillReply(const Packet& packet, const Probe& probe, Reply& reply) {
  reply.probe = probe;
  reply.responder = packet.source;
  reply.kind = KindOf(packet, probe.target);
  reply.icmp_type = packet.icmp_type;
  reply.icmp_code = packet.icmp_code;
  reply.arrival_ttl = packet.ttl;
}

Ttl TtlOf(const Echo& probe) {
  return Ttl(static_cast<uint8_t>(probe.sequence >> ProbeClock::kCoarseBits));
}

uint32_t CoarseOf(const Echo& probe) {
  return probe.sequence & ((1U << ProbeClock::kCoarseBits) - 1);
}

// The payload of a probe, if `icmp`, its ICMP message from the header on, came
// back that far.
std::optional<Stamp> StampOf(std::span<const std::byte> icmp) {
  constexpr size_t kStart = sizeof(IcmpHeader);
  if (icmp.size() < kStart + sizeof(Payload)) return std::nullopt;
  return Stamp{
      .target = Load<Be32>(icmp.subspan(kStart + offsetof(Payload, target))),
      .microseconds =
          Load<Be32>(icmp.subspan(kStart + offsetof(Payload, microseconds)))};
}

// The round-trip time by the payload's clock, which wraps after 71 minutes.
Nanos RttOf(const Stamp& stamp, Instant arrival) {
  const Nanos rtt = std::chrono::microseconds(
      static_cast<uint32_t>(Microseconds(arrival) - stamp.microseconds));
  return rtt <= ProbeClock::kMaxRtt ? rtt : kUnknownRtt;
}

Verdict IcmpCodec::DecodeError(const Packet& packet, Instant arrival,
                               Reply& reply) const {
  const QuotedPacket& quote = packet.quote;
  if (quote.protocol != kProtocolIcmp || quote.source != options_.source) {
    return Verdict::kForeign;
  }
  const Echo probe = EchoOf(quote.transport);
  if (probe.type_and_code != kEchoWord) {
    return Verdict::kForeign;
  }
  const auto flow = FlowOf(quote.destination.v4(), probe.id, probe.checksum);
  if (!flow) return WhyUnproven(quote, probe, arrival);
  const Ttl ttl = TtlOf(probe);
  if (!InRange(ttl)) return Verdict::kForeign;

  FillReply(packet, {quote.destination, ttl, *flow}, reply);
  reply.received = arrival;
  reply.rtt = kUnknownRtt;
  reply.quoted_ttl = quote.ttl;
  const auto stamp = StampOf(quote.transport);
  if (stamp && stamp->target == quote.destination.v4()) {
    reply.rtt = RttOf(*stamp, arrival);
  } else if (quote.id != 0) {
    // Some routers quote an IP id of zero, whatever was sent.
    reply.rtt = clock_.Since(
        CoarseOf(probe) << ProbeClock::kFineBits | quote.id, arrival);
  }
  return Verdict::kReply;
}

// Tells a probe of this scan with a new destination from one of another scan.
// The payload decides where it was quoted; otherwise the time, the TTL and the
// length must be those of a probe of ours.
Verdict IcmpCodec::WhyUnproven(const QuotedPacket& quote, const Echo& probe,
                               Instant arrival) const {
  bool ours;
  if (const auto stamp = StampOf(quote.transport)) {
    ours = FlowOf(stamp->target, probe.id, probe.checksum).has_value();
  } else {
    ours = quote.total_length == frame_.size() - link_size_ &&
           InRange(TtlOf(probe)) &&
           clock_.IsPlausible(CoarseOf(probe), arrival);
  }
  return ours ? Verdict::kRewritten : Verdict::kForeign;
}

Verdict IcmpCodec::DecodeEcho(const Packet& packet, Instant arrival,
                              Reply& reply) const {
  const auto stamp = StampOf(packet.icmp);
  if (!stamp) return Verdict::kForeign;
  // Type 0 in place of 8 raises the checksum by 0x0800.
  const Echo answer = EchoOf(packet.icmp);
  const auto flow = FlowOf(stamp->target, answer.id,
                           OnesSubtract(answer.checksum, kEchoWord));
  const Ttl ttl = TtlOf(answer);
  if (!flow || !InRange(ttl)) return Verdict::kForeign;

  const IpAddress target = IpAddress::V4(stamp->target);
  FillReply(packet, {target, ttl, *flow}, reply);
  reply.received = arrival;
  reply.rtt = RttOf(*stamp, arrival);
  reply.quoted_ttl = Ttl();
  return Verdict::kReply;
}

absl::StatusOr<std::unique_ptr<ProbeCodec>> Make(const CodecOptions& options) {
  if (options.source.family() != Family::kIpv4) {
    return absl::InvalidArgumentError(
        "icmp probes need an IPv4 source address, not " +
        options.source.ToString());
  }
  if (options.min_ttl < Ttl(1) || options.max_ttl > kMaxTtl ||
      options.min_ttl > options.max_ttl) {
    return absl::InvalidArgumentError(
        "TTLs must satisfy 1 <= minimum <= maximum <= " +
        std::to_string(kMaxTtl.value()));
  }
  if (options.flows == 0 || options.flows > kChecksums) {
    return absl::InvalidArgumentError("flows must be 1 to 65534");
  }
  if (options.contact.size() > kMaxContact) {
    return absl::InvalidArgumentError("the contact text is longer than " +
                                      std::to_string(kMaxContact) + " bytes");
  }
  return std::make_unique<IcmpCodec>(options);
}

const Register<CodecModule> kIcmp({"icmp", "ICMP echo requests", &Make});

}  // namespace
}  // namespace fathom
