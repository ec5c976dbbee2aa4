// ICMP echo probes, over IPv4 (RFC 792) and IPv6 (RFC 4443).
//
//   checksum (16)  value              constant per (target, flow): balancers
//   id (16)        proof              hash type, code, checksum, some the id
//   sequence (16)  TTL, coarse time   no balancer is known to hash it
//
// An echo reply brings all of it back. The checksum of ICMPv6 covers the
// addresses, too: a reply from another address than the target has another.

#include "fathom/registry.h"
#include "src/codec/marked_codec_inline.h"

namespace fathom {
namespace {

template <Family F>
struct IcmpEcho {
  using Header = IcmpHeader;

  static constexpr Family kFamily = F;
  static constexpr bool kV4 = F == Family::kIpv4;
  static constexpr uint8_t kProtocol = kV4 ? kProtocolIcmp : kProtocolIcmpv6;
  // Checksums run through 1 to 0xfffe: the two zeros of ones' complement are
  // left out, since devices turn one into the other.
  static constexpr uint32_t kValues = 0xfffe;
  static constexpr bool kHasProof = true;
  static constexpr bool kHasFine = false;
  static constexpr bool kHasPayload = true;
  static constexpr bool kPseudo = !kV4;

  static IcmpHeader HeaderOf(const Mark& mark, uint16_t /*length*/) {
    return {.type = kRequest,
            .code = 0,
            .checksum = static_cast<uint16_t>(mark.value + 1),
            .id = mark.proof,
            .sequence = static_cast<uint16_t>(mark.time >> 16)};
  }

  static uint16_t SumOf(const Mark& mark) {
    return OnesAdd(OnesAdd(mark.proof, mark.value),
                   static_cast<uint16_t>(mark.time >> 16));
  }

  static std::optional<Mark> Read(std::span<const std::byte> icmp) {
    if (Load<Be16>(icmp) != kRequest << 8) return std::nullopt;
    return MarkOf(icmp, Field(icmp, offsetof(IcmpHeader, checksum)));
  }

  // What is taken from the sum is added to the checksum: the type of a request
  // is 8 and that of a reply 0, or 128 and 129.
  static std::optional<Mark> ReadAnswer(std::span<const std::byte> icmp,
                                        uint16_t moved) {
    constexpr auto kRequestWord = static_cast<uint16_t>(kRequest << 8);
    constexpr auto kReplyWord = static_cast<uint16_t>(kReply << 8);
    constexpr uint16_t kTypes = OnesSubtract(kReplyWord, kRequestWord);
    return MarkOf(icmp, OnesAdd(Field(icmp, offsetof(IcmpHeader, checksum)),
                                OnesAdd(kTypes, moved)));
  }

  // Either half of the proof alone, as one field is left as it was, or their
  // sum, as who changes the id keeps the checksum true (RFC 3022, 4.1).
  static bool IsNearMiss(const Mark& mark, const Mark& right, uint16_t flows) {
    const uint32_t value = kValues + mark.value - right.value;
    const uint32_t sum = OnesSubtract(OnesAdd(mark.proof, mark.value),
                                      OnesAdd(right.proof, right.value));
    return mark.proof == right.proof || value % kValues < flows ||
           sum % 0xffff < flows;
  }

  static bool IsHosts(uint8_t /*code*/) { return false; }

 private:
  static constexpr uint8_t kRequest =
      kV4 ? kIcmpEchoRequest : kIcmpv6EchoRequest;
  static constexpr uint8_t kReply = kV4 ? kIcmpEchoReply : kIcmpv6EchoReply;

  // Each field is read where it stands: a header copied as a whole would be
  // written and read in words of different sizes, and each such read waits for
  // the write.
  static uint16_t Field(std::span<const std::byte> icmp, size_t offset) {
    return Load<Be16>(icmp.subspan(offset));
  }

  static std::optional<Mark> MarkOf(std::span<const std::byte> icmp,
                                    uint16_t checksum) {
    if (checksum == 0 || checksum > kValues) return std::nullopt;
    const uint32_t sequence = Field(icmp, offsetof(IcmpHeader, sequence));
    return Mark{.proof = Field(icmp, offsetof(IcmpHeader, id)),
                .value = static_cast<uint16_t>(checksum - 1),
                .time = sequence << 16};
  }
};

const Register<CodecModule> kIcmp({"icmp", "ICMP echo requests",
                                   &MakeMarkedCodec<IcmpEcho>});

}  // namespace
}  // namespace fathom
