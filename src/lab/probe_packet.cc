#include "src/lab/probe_packet.h"

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"

namespace fathom::lab {
namespace {

constexpr uint16_t kRightSum = 0xffff;  // Of data with its checksum in place.
constexpr size_t kLeastTransport = 8;

// What balancers hash; methods differ, and this is all that any is known to.
FlowKeys KeysOf(const ProbePacket& packet) {
  const uint64_t addresses =
      AddressKey(packet.ip.source, packet.ip.destination);
  const auto transport = packet.transport();
  // Type, code and checksum of ICMP; ports of everything else.
  uint64_t rest = Load<Be32>(transport);
  if (packet.ip.protocol == kProtocolIcmp) {
    rest |= uint64_t{Load<IcmpHeader>(transport).id} << 32;
  }
  rest |= uint64_t{packet.ip.tos} << 48 | uint64_t{packet.ip.protocol} << 56;
  return {.flow = Again(addresses, rest), .addresses = addresses};
}

Question QuestionOf(const ProbePacket& packet) {
  const auto transport = packet.transport();
  switch (packet.ip.protocol) {
    case kProtocolIcmp:
      return Load<IcmpHeader>(transport).type == kIcmpEchoRequest
                 ? Question::kEcho
                 : Question::kNothing;
    case kProtocolUdp:
      return Question::kUdp;
    case kProtocolTcp: {
      if (transport.size() < sizeof(TcpHeader)) return Question::kNothing;
      const uint8_t flags = Load<TcpHeader>(transport).flags;
      if ((flags & kTcpReset) != 0) return Question::kNothing;
      return (flags & (kTcpSyn | kTcpAck)) == kTcpSyn ? Question::kTcpSyn
                                                      : Question::kTcp;
    }
    default:
      return Question::kNothing;
  }
}

}  // namespace

uint16_t PseudoSum(const Ipv4Header& ip, size_t transport_bytes) {
  const uint32_t both = (ip.source >> 16) + (ip.source & 0xffff) +
                        (ip.destination >> 16) + (ip.destination & 0xffff) +
                        ip.protocol + static_cast<uint32_t>(transport_bytes);
  return OnesAdd(static_cast<uint16_t>(both),
                 static_cast<uint16_t>(both >> 16));
}

uint64_t ProbePacket::Identity(Instant now) const {
  uint64_t hash = Mix(static_cast<uint64_t>(now.time_since_epoch().count()));
  // The IP header, which differs in its id and TTL, and the first eight bytes
  // after it, which hold whatever else tells probes apart.
  hash = Mix(hash ^ Load<uint64_t>(bytes.subspan(4)));
  hash = Mix(hash ^ Load<uint64_t>(bytes.subspan(12)));
  return Mix(hash ^ Load<uint64_t>(transport()));
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
  packet.keys = KeysOf(packet);
  packet.question = QuestionOf(packet);
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
