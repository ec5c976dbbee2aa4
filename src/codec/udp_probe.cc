// UDP probes over IPv4, to a port at which nobody listens.
//
//   source port (16)       value              balancers hash both ports:
//   constant destination port (16)  33434              per target and flow
//   length (16)            constant
//   checksum (16)          TTL, coarse time   no balancer is known to hash it
//
// There is no room for more proof than the source port, so a reply must be
// recent as well. Hosts answer with port unreachable, which is an error that
// quotes the probe like any other.

#include "fathom/registry.h"
#include "src/codec/marked_codec_inline.h"

namespace fathom {
namespace {

struct Datagram {
  using Header = UdpHeader;

  static constexpr const char* kName = "udp";
  static constexpr uint8_t kProtocol = kProtocolUdp;
  static constexpr bool kHasProof = false;
  static constexpr bool kPseudo = true;
  // Ports below are those of services, and firewalls wonder at them.
  static constexpr uint32_t kFirstPort = 1024;
  static constexpr uint32_t kValues = 65'536 - kFirstPort;
  // Where traceroute begins, which people who read their logs know.
  static constexpr uint16_t kToPort = 33434;

  static UdpHeader HeaderOf(const Mark& mark, uint16_t length) {
    // Never 0, which would mean that there is none: TTLs are above that.
    return {.source_port = static_cast<uint16_t>(kFirstPort + mark.value),
            .destination_port = kToPort,
            .length = length,
            .checksum = mark.time};
  }

  static std::optional<Mark> Read(std::span<const std::byte> udp) {
    const uint16_t port = Field(udp, offsetof(UdpHeader, source_port));
    if (port < kFirstPort ||
        Field(udp, offsetof(UdpHeader, destination_port)) != kToPort) {
      return std::nullopt;
    }
    return Mark{.proof = 0,
                .value = static_cast<uint16_t>(port - kFirstPort),
                .time = Field(udp, offsetof(UdpHeader, checksum))};
  }

  // Not asked for an echo, nobody sends one.
  static std::optional<Mark> ReadAnswer(std::span<const std::byte> /*icmp*/) {
    return std::nullopt;
  }

  static bool IsHosts(uint8_t code) {
    return code == kIcmpPortUnreachable || code == kIcmpProtocolUnreachable;
  }

 private:
  static uint16_t Field(std::span<const std::byte> udp, size_t offset) {
    return Load<Be16>(udp.subspan(offset));
  }
};

const Register<CodecModule> kUdp({"udp", "UDP datagrams to port 33434",
                                  &MakeMarkedCodec<Datagram>});

}  // namespace
}  // namespace fathom
