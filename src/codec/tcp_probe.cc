// TCP probes, to the port of web servers.
//
//   source port (16)       value            balancers hash both ports:
//   destination port (16)  80               constant per target and flow
//   sequence (32)          TTL and time, whitened by the proof of the target
//
// The whole time fits, so nothing of a reply depends on more than the eight
// bytes that are quoted. There is no payload: data for a connection that does
// not exist would look like an attack. The checksum is computed.
//
// Answers come from the target itself and bring the number back (RFC 9293,
// 3.5.2): a reset after an ACK has the acknowledgment as its sequence number,
// which therefore equals ours; what follows a SYN acknowledges our number and
// the SYN. The ports tell the flow, the address of who answers is the target:
// an answer from another address cannot be told from foreign traffic.
//
// A SYN states the largest segment that we would take, as all that open
// connections do (RFC 9293, 3.7.1): some firewalls drop one that does not. An
// ACK never has that option.
//
// No connection comes of a SYN: no socket is there for the answer, so the
// kernel of this machine resets it, unless a firewall keeps it from that.

#include <type_traits>

#include "fathom/registry.h"
#include "src/codec/marked_codec_inline.h"

namespace fathom {
namespace {

struct SynHeader : TcpHeader {
  uint8_t option = 2;  // Maximum segment size,
  uint8_t option_length = 4;
  Be16 size{};
};
static_assert(sizeof(SynHeader) == 24);

template <Family F, bool kIsSyn>
struct Segment {
  using Header = std::conditional_t<kIsSyn, SynHeader, TcpHeader>;

  static constexpr Family kFamily = F;
  static constexpr uint8_t kProtocol = kProtocolTcp;
  static constexpr uint32_t kValues = kPortValues;
  static constexpr bool kHasProof = false;
  static constexpr bool kHasFine = true;
  static constexpr bool kHasPayload = false;
  static constexpr bool kPseudo = true;
  static constexpr uint16_t kToPort = 80;
  static constexpr uint16_t kWindow = 65'535;

  // What Ethernet carries behind the two headers.
  static constexpr uint16_t kSegmentSize = F == Family::kIpv4 ? 1460 : 1440;

  static Header HeaderOf(const Mark& mark, uint16_t /*length*/) {
    Header header = {BareHeaderOf(mark)};
    if constexpr (kIsSyn) header.size = kSegmentSize;
    return header;
  }

  static uint16_t SumOf(const Mark& mark) {
    const uint16_t number = SumWords(mark.time);
    return OnesAdd(mark.value, kIsSyn ? number : OnesAdd(number, number));
  }

  static std::optional<Mark> Read(std::span<const std::byte> tcp) {
    return MarkOf(Field<Be16>(tcp, offsetof(TcpHeader, source_port)),
                  Field<Be16>(tcp, offsetof(TcpHeader, destination_port)),
                  Field<Be32>(tcp, offsetof(TcpHeader, sequence)));
  }

  static std::optional<Mark> ReadAnswer(std::span<const std::byte> tcp,
                                        uint16_t /*moved*/) {
    const auto flags = Field<uint8_t>(tcp, offsetof(TcpHeader, flags));
    uint32_t number = 0;
    if (kIsSyn) {
      if ((flags & kTcpAck) == 0) return std::nullopt;
      number = Field<Be32>(tcp, offsetof(TcpHeader, acknowledgment)) - 1;
    } else {
      if ((flags & kTcpReset) == 0) return std::nullopt;
      number = Field<Be32>(tcp, offsetof(TcpHeader, sequence));
    }
    return MarkOf(Field<Be16>(tcp, offsetof(TcpHeader, destination_port)),
                  Field<Be16>(tcp, offsetof(TcpHeader, source_port)), number);
  }

  // A number that proves right beside another port.
  static bool IsNearMiss(const Mark& /*mark*/, const Mark& /*right*/,
                         uint16_t /*flows*/) {
    return true;
  }

  static bool IsHosts(uint8_t code) {
    if (F == Family::kIpv6) return code == kIcmpv6PortUnreachable;
    return code == kIcmpPortUnreachable || code == kIcmpProtocolUnreachable;
  }

 private:
  static TcpHeader BareHeaderOf(const Mark& mark) {
    return {.source_port = static_cast<uint16_t>(kMinAnsweredPort + mark.value),
            .destination_port = kToPort,
            .sequence = mark.time,
            .acknowledgment = kIsSyn ? 0 : mark.time,
            .data_offset = (sizeof(Header) / 4) << 4,
            .flags = kIsSyn ? kTcpSyn : kTcpAck,
            .window = kWindow,
            .checksum = 0,
            .urgent = 0};
  }

  template <typename T>
  static T Field(std::span<const std::byte> tcp, size_t offset) {
    return Load<T>(tcp.subspan(offset));
  }

  static std::optional<Mark> MarkOf(uint16_t from, uint16_t to,
                                    uint32_t number) {
    if (from < kMinAnsweredPort || to != kToPort) return std::nullopt;
    return Mark{.proof = 0,
                .value = static_cast<uint16_t>(from - kMinAnsweredPort),
                .time = number};
  }
};

template <Family F>
using AckSegment = Segment<F, false>;
template <Family F>
using SynSegment = Segment<F, true>;

const Register<CodecModule> kTcpAckProbes(
    {"tcp-ack",
     "TCP ACK segments to port 80; hosts answer RST and keep no state",
     &MakeMarkedCodec<AckSegment>});
const Register<CodecModule> kTcpSynProbes(
    {"tcp-syn",
     "TCP SYN segments to port 80; hosts with the port open hold a half-open "
     "connection until our RST or their timeout",
     &MakeMarkedCodec<SynSegment>});

}  // namespace
}  // namespace fathom
