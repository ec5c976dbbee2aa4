// UDP probes, to a port at which nobody listens.
//
//   source port (16)       value              balancers hash both ports:
//   destination port (16)  33434              constant per target and flow
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

template <Family F>
struct Datagram {
  using Header = UdpHeader;

  static constexpr Family kFamily = F;
  static constexpr uint8_t kProtocol = kProtocolUdp;
  static constexpr uint32_t kValues = kPortValues;
  static constexpr bool kHasProof = false;
  static constexpr bool kHasFine = false;
  static constexpr bool kHasPayload = true;
  static constexpr bool kPseudo = true;
  // Where traceroute begins, which people who read their logs know.
  static constexpr uint16_t kToPort = 33434;

  static UdpHeader HeaderOf(const Mark& mark, uint16_t length) {
    // The checksum is never 0, which would mean that there is none: TTLs are
    // above that.
    return {.source_port = static_cast<uint16_t>(kMinAnsweredPort + mark.value),
            .destination_port = kToPort,
            .length = length,
            .checksum = static_cast<uint16_t>(mark.time >> 16)};
  }

  static uint16_t SumOf(const Mark& mark) {
    return OnesAdd(mark.value, static_cast<uint16_t>(mark.time >> 16));
  }

  static std::optional<Mark> Read(std::span<const std::byte> udp) {
    const uint16_t port = Field(udp, offsetof(UdpHeader, source_port));
    if (port < kMinAnsweredPort ||
        Field(udp, offsetof(UdpHeader, destination_port)) != kToPort) {
      return std::nullopt;
    }
    const uint32_t time = Field(udp, offsetof(UdpHeader, checksum));
    return Mark{.proof = 0,
                .value = static_cast<uint16_t>(port - kMinAnsweredPort),
                .time = time << 16};
  }

  // Not asked for an echo, nobody sends one.
  static std::optional<Mark> ReadAnswer(std::span<const std::byte> /*message*/,
                                        uint16_t /*moved*/) {
    return std::nullopt;
  }

  // Another port or another address: nothing else tells.
  static bool IsNearMiss(const Mark& /*mark*/, const Mark& /*right*/,
                         uint16_t /*flows*/) {
    return false;
  }

  static bool IsHosts(uint8_t code) {
    if (F == Family::kIpv6) return code == kIcmpv6PortUnreachable;
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
