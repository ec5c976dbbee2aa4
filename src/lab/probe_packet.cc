#include "src/lab/probe_packet.h"

#include <cstddef>

#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace fathom::lab {
namespace {

constexpr uint16_t kRightSum = 0xffff;  // Of data with its checksum in place.
constexpr size_t kLeastTransport = 8;

}  // namespace

uint16_t PseudoSum(const Ipv4Header& ip, size_t transport_bytes) {
  const uint32_t both = (ip.source >> 16) + (ip.source & 0xffff) +
                        (ip.destination >> 16) + (ip.destination & 0xffff) +
                        ip.protocol + static_cast<uint32_t>(transport_bytes);
  return OnesAdd(static_cast<uint16_t>(both),
                 static_cast<uint16_t>(both >> 16));
}

uint64_t ProbePacket::Identity(Instant now) const {
  if (ipv6) {
    constexpr size_t kTarget = offsetof(Ipv6Header, destination_high);
    return IdentityOf(static_cast<uint64_t>(now.time_since_epoch().count()),
                      Load<uint64_t>(bytes),
                      Load<uint64_t>(bytes.subspan(kTarget)) ^
                          Mix(Load<uint64_t>(bytes.subspan(kTarget + 8))),
                      Load<uint64_t>(transport()));
  }
  return IdentityOf(static_cast<uint64_t>(now.time_since_epoch().count()),
                    Load<uint64_t>(bytes.subspan(4)),
                    Load<uint64_t>(bytes.subspan(12)),
                    Load<uint64_t>(transport()));
}

std::optional<ProbePacket> ReadProbe(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Ipv4Header)) return std::nullopt;
  ProbePacket packet;
  packet.ip = Load<Ipv4Header>(bytes);
  packet.header_length = packet.ip.header_length();
  const size_t total = packet.ip.total_length;
  if (packet.ip.version_ihl >> 4 != 4 ||
      packet.header_length < sizeof(Ipv4Header) || total > bytes.size() ||
      total < packet.header_length + kLeastTransport || packet.ip.ttl == 0 ||
      (packet.ip.flags_fragment & kFragmentOffsetMask) != 0) {
    return std::nullopt;
  }
  packet.bytes = bytes.first(total);
  if (OnesSum(packet.bytes.first(packet.header_length)) != kRightSum) {
    return std::nullopt;
  }
  const auto transport = packet.transport();
  const auto icmp = Load<IcmpHeader>(transport);
  const bool has_header = transport.size() >= sizeof(TcpHeader);
  packet.keys = KeysOf(
      AddressKey(packet.ip.source, packet.ip.destination), packet.ip.tos,
      packet.ip.protocol, Load<Be32>(transport),
      packet.ip.protocol == kProtocolIcmp ? uint16_t{icmp.id} : uint16_t{0});
  packet.question =
      QuestionOf(packet.ip.protocol, icmp.type, has_header,
                 has_header ? Load<TcpHeader>(transport).flags : 0);
  packet.answerable =
      packet.ip.protocol != kProtocolIcmp || packet.question == Question::kEcho;
  return packet;
}

bool HasRightChecksum(const ProbePacket& packet) {
  const auto transport = packet.transport();
  const uint8_t protocol = packet.ip.protocol;
  if (protocol == kProtocolIcmp) return OnesSum(transport) == kRightSum;
  if (protocol != kProtocolUdp && protocol != kProtocolTcp) return true;
  if (protocol == kProtocolUdp && Load<UdpHeader>(transport).checksum == 0) {
    return true;  // The sender gave none.
  }
  return OnesAdd(OnesSum(transport), PseudoSum(packet.ip, transport.size())) ==
         kRightSum;
}

}  // namespace fathom::lab
