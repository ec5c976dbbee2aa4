// ICMP echo probes over IPv4.
//
//   checksum (16)  value              constant per (target, flow): balancers
//   id (16)        proof              hash type, code, checksum, some the id
//   sequence (16)  TTL, coarse time   no balancer is known to hash it
//
// An echo reply brings all of it back.

#include "fathom/registry.h"
#include "src/codec/marked_codec_inline.h"

namespace fathom {
namespace {

struct IcmpEcho {
  using Header = IcmpHeader;

  static constexpr const char* kName = "icmp";
  static constexpr uint8_t kProtocol = kProtocolIcmp;
  // Checksums run through 1 to 0xfffe: the two zeros of ones' complement are
  // left out, since devices turn one into the other.
  static constexpr uint32_t kValues = 0xfffe;
  static constexpr bool kHasProof = true;
  static constexpr bool kPseudo = false;

  static IcmpHeader HeaderOf(const Mark& mark, uint16_t /*length*/) {
    return {.type = kIcmpEchoRequest,
            .code = 0,
            .checksum = static_cast<uint16_t>(mark.value + 1),
            .id = mark.proof,
            .sequence = mark.time};
  }

  static std::optional<Mark> Read(std::span<const std::byte> icmp) {
    if (Load<Be16>(icmp) != kEchoWord) return std::nullopt;
    return MarkOf(icmp, Field(icmp, offsetof(IcmpHeader, checksum)));
  }

  // Type 0 in place of 8 raises the checksum by 0x0800.
  static std::optional<Mark> ReadAnswer(std::span<const std::byte> icmp) {
    return MarkOf(
        icmp,
        OnesSubtract(Field(icmp, offsetof(IcmpHeader, checksum)), kEchoWord));
  }

  static bool IsHosts(uint8_t /*code*/) { return false; }

 private:
  static constexpr uint16_t kEchoWord = uint16_t{kIcmpEchoRequest} << 8;

  // Each field is read where it stands: a header copied as a whole would be
  // written and read in words of different sizes, and each such read waits for
  // the write.
  static uint16_t Field(std::span<const std::byte> icmp, size_t offset) {
    return Load<Be16>(icmp.subspan(offset));
  }

  static std::optional<Mark> MarkOf(std::span<const std::byte> icmp,
                                    uint16_t checksum) {
    if (checksum == 0 || checksum > kValues) return std::nullopt;
    return Mark{.proof = Field(icmp, offsetof(IcmpHeader, id)),
                .value = static_cast<uint16_t>(checksum - 1),
                .time = Field(icmp, offsetof(IcmpHeader, sequence))};
  }
};

const Register<CodecModule> kIcmp({"icmp", "ICMP echo requests",
                                   &MakeMarkedCodec<IcmpEcho>});

}  // namespace
}  // namespace fathom
