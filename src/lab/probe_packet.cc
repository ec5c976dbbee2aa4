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

}  // namespace

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
  if (packet.ip.protocol == kProtocolIcmp) {
    packet.echo_request =
        Load<IcmpHeader>(packet.transport()).type == kIcmpEchoRequest;
    packet.answerable = packet.echo_request;
  }
  return packet;
}

bool HasRightChecksum(const ProbePacket& packet) {
  return OnesSum(packet.transport()) == kRightSum;
}

}  // namespace fathom::lab
