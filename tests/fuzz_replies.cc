// Feeds any bytes to the decoders of all probe protocols. With the sums made
// right, so that the bytes get further than the first check.

#include <vector>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "tests/decoded.h"
#include "tests/router_reply.h"

namespace fathom {
namespace {

std::vector<std::unique_ptr<ProbeCodec>> MakeCodecs() {
  std::vector<std::unique_ptr<ProbeCodec>> codecs;
  for (const CodecModule& module : Register<CodecModule>::All()) {
    codecs.push_back(
        *module.make({.key = {1, 2}, .source = IpAddress::V4(0x0a000001)}));
  }
  return codecs;
}

// The packet with its lengths and sums as a sender would have them.
Bytes Repaired(Bytes packet) {
  if (packet.size() < sizeof(Ipv4Header) + sizeof(IcmpHeader)) return packet;
  packet[0] = std::byte{0x45};
  packet[6] = packet[7] = std::byte{0};
  packet[9] = std::byte{kProtocolIcmp};
  FixIcmp(std::span(packet).subspan(sizeof(Ipv4Header)));
  FixIpv4(packet);
  return packet;
}

void Decode(const Bytes& packet) {
  static const auto codecs = MakeCodecs();
  for (const auto& codec : codecs) {
    // A copy at its exact size on the heap, so that any overrun is seen.
    const Bytes exact(packet);
    const Decoded decoded(*codec, {exact, Instant(Nanos(1'000'000))});
    if (decoded && (decoded->probe.ttl < Ttl(1) ||
                    decoded->probe.ttl > kMaxTtl || decoded->rtt < Nanos(-1))) {
      __builtin_trap();
    }
  }
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const fathom::Bytes packet(bytes.begin(), bytes.end());
  fathom::Decode(packet);
  fathom::Decode(fathom::Repaired(packet));
  return 0;
}
