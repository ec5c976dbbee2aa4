// Feeds any bytes to the decoders of all probe protocols over both families.
// With lengths and sums made right, so that the bytes get further than the
// first check, and as what changes a true answer to a probe, or is added to it.

#include <algorithm>
#include <vector>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "src/net/icmp_extensions.h"
#include "tests/decoded.h"
#include "tests/router_reply.h"

namespace fathom {
namespace {

const Instant kNow{Nanos(1'000'000)};

struct Scan {
  std::unique_ptr<ProbeCodec> codec;
  Bytes probe = Bytes(kMaxProbeSize);  // One of its own.
};

std::vector<Scan> MakeScans() {
  std::vector<Scan> scans;
  for (const CodecModule& module : Register<CodecModule>::All()) {
    for (const bool v6 : {false, true}) {
      Scan scan;
      const IpAddress source = SomeRouter(v6);
      scan.codec = *module.make({.key = {1, 2}, .source = source});
      const Probe probe{SomeRouter(v6), Ttl(3), FlowId(0)};
      std::array<TxFrame, 1> frames = {TxFrame{scan.probe}};
      scan.codec->Encode(Instant(), {&probe, 1}, frames);
      scan.probe.resize(frames[0].length);
      scans.push_back(std::move(scan));
    }
  }
  return scans;
}

const std::vector<Scan>& Scans() {
  static const auto scans = MakeScans();
  return scans;
}

void Decode(const Bytes& packet) {
  for (const Scan& scan : Scans()) {
    // A copy at its exact size on the heap, so that any overrun is seen.
    const Bytes exact(packet);
    const Decoded decoded(*scan.codec, {exact, kNow});
    if (!decoded) continue;
    const auto objects = decoded->extensions.bytes;
    if (decoded->probe.ttl < Ttl(1) || decoded->probe.ttl > kMaxTtl ||
        decoded->rtt < Nanos(-1) || objects.size() > kMaxExtensions ||
        WholeObjects(objects, kMaxExtensions) != objects.size()) {
      __builtin_trap();
    }
    for (const char c : SpellExtensions(objects)) {
      if (c < ' ' || c > '~') __builtin_trap();
    }
  }
}

// `body` as what a sender would put behind an IP header of this family.
void DecodeAsBody(const Bytes& body, uint8_t protocol, bool v6) {
  if (body.size() < sizeof(TcpHeader)) return;
  Decode(IpAround({.source = SomeRouter(v6),
                   .destination = SomeRouter(v6),
                   .protocol = protocol},
                  body));
}

// The packet with its lengths and sums as a sender would have them.
Bytes Repaired(Bytes packet) {
  const size_t header = packet.empty() ? 0 : IsV6(packet) ? 40 : 20;
  if (packet.size() < header + sizeof(TcpHeader)) return packet;
  if (header == 20) packet[0] = std::byte{0x45};
  FixIp(packet);
  FixTransport(packet);
  return packet;
}

// As objects behind the quote of a probe, in both forms.
void DecodeAsObjects(const Bytes& bytes) {
  for (const Scan& scan : Scans()) {
    for (const auto form : {ExtensionForm::kStated, ExtensionForm::kUnstated}) {
      Decode(RouterReply(scan.probe,
                         {.rfc4884_pad = 128, .form = form, .objects = bytes}));
    }
  }
}

// Bytes that are taken one by one; zeros when they are used up.
class Choices {
 public:
  explicit Choices(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t Next() {
    if (bytes_.empty()) return 0;
    const auto byte = std::to_integer<uint8_t>(bytes_[0]);
    bytes_ = bytes_.subspan(1);
    return byte;
  }

 private:
  std::span<const std::byte> bytes_;
};

// A router's error about `probe`, or the answer of a host, as a sound sender
// would write it.
Bytes AnswerTo(const Bytes& probe, Choices& choices) {
  const uint8_t form = choices.Next();
  const bool v6 = IsV6(probe);
  const IpAddress other = SomeRouter(v6);
  if (form % 4 == 0) return HostAnswer(probe, other);
  if (form % 4 == 1 && IsTcp(probe)) return TcpAnswer(probe, other, true);
  RouterOptions options = {
      .type = form & 4 ? ErrorType::kUnreachable : ErrorType::kTimeExceeded,
      .code = choices.Next(),
      .ttl = choices.Next(),
      .quoted_transport = choices.Next(),
      .outer_options = 0,
      .quoted_options = size_t{form & 8u} * (form >> 6),
      .quoted_ttl = choices.Next(),
      .quoted_tos = choices.Next()};
  if ((form & 16) != 0) {
    options.rfc4884_pad = 128;
    options.form =
        form & 32 ? ExtensionForm::kStated : ExtensionForm::kUnstated;
    for (size_t i = choices.Next() % 64; i > 0; --i) {
      options.objects.push_back(std::byte{choices.Next()});
    }
  }
  return RouterReply(probe, options);
}

// A true answer to a probe of each codec, in which some bytes behind the IP
// header are changed, or which ends early; then its sums are made right.
void DecodeChanged(std::span<const std::byte> bytes) {
  for (const Scan& scan : Scans()) {
    Choices choices(bytes);
    Bytes packet = AnswerTo(scan.probe, choices);
    const size_t start = TransportStart(packet);
    while (!choices.empty()) {
      const size_t at = choices.Next() + start;
      const uint8_t change = choices.Next();
      if (at < packet.size()) {
        packet[at] ^= std::byte{change};
      } else {
        const size_t least = start + sizeof(TcpHeader);
        packet.resize(std::min(packet.size(), std::max(least, at - start)));
      }
    }
    FixIp(packet);
    FixTransport(packet);
    Decode(packet);
  }
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const fathom::Bytes packet(bytes.begin(), bytes.end());
  fathom::Decode(packet);
  fathom::Decode(fathom::Repaired(packet));
  fathom::DecodeAsBody(packet, fathom::kProtocolIcmp, false);
  fathom::DecodeAsBody(packet, fathom::kProtocolIcmpv6, true);
  fathom::DecodeAsBody(packet, fathom::kProtocolTcp, (size & 1) != 0);
  fathom::DecodeAsObjects(packet);
  fathom::DecodeChanged(bytes);
  return 0;
}
