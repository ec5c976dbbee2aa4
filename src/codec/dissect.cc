#include "src/codec/dissect.h"

#include <algorithm>
#include <cstddef>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"
#include "src/codec/ip_view.h"
#include "src/net/icmp_extensions.h"

namespace fathom {
namespace {

using ByteSpan = std::span<const std::byte>;

constexpr size_t kMinQuotedTransport = 8;  // RFC 792.

// Where extensions begin if the quote's length is not stated: before RFC 4884
// routers put them there (its section 5.5).
constexpr size_t kUnstatedQuote = 128;
constexpr size_t kExtensionHeader = 4;

// The length of the quote as RFC 4884 states it; 0 if it does not.
template <typename View>
size_t StatedQuote(ByteSpan icmp) {
  const auto words = [icmp](size_t at) {
    return std::to_integer<size_t>(icmp[at]);
  };
  const size_t stated =
      View::kFamily == Family::kIpv4 ? words(5) * 4 : words(4) * 8;
  // What is shorter than any quote means something else.
  return stated < View::kLeastLength + kMinQuotedTransport ? 0 : stated;
}

// The objects of the structure in `bytes`; none if they are no structure. Some
// routers write the version into the wrong half of its byte, and some leave the
// checksum out.
ByteSpan ObjectsIn(ByteSpan bytes) {
  if (bytes.size() < kExtensionHeader) return {};
  const auto first = std::to_integer<unsigned>(bytes[0]);
  if (first >> 4 != 2 && (first & 0xf) != 2) return {};
  const bool summed = Load<uint16_t>(bytes.subspan(2)) != 0;
  if (summed && OnesSum(bytes) != kTrueSum) return {};
  const auto objects = bytes.subspan(kExtensionHeader);
  return objects.first(WholeObjects(objects, kMaxExtensions));
}

// Splits what follows the header of an error into quote and objects.
template <typename View>
ByteSpan SplitError(ByteSpan icmp, Packet& packet) {
  const auto after_header = icmp.subspan(sizeof(IcmpHeader));
  size_t length = StatedQuote<View>(icmp);
  const bool is_stated = length != 0;
  if (!is_stated) length = kUnstatedQuote;
  if (after_header.size() <= length) return after_header;
  packet.extensions = ObjectsIn(after_header.subspan(length));
  const bool split = is_stated || !packet.extensions.empty();
  return split ? after_header.first(length) : after_header;
}

template <typename View>
bool ReadQuote(ByteSpan bytes, std::optional<QuotedPacket>& to) {
  const auto ip = View::Of(bytes);
  if (!ip || ip->is_later_fragment()) return false;
  ByteSpan transport = ip->rest();
  if (transport.size() < kMinQuotedTransport) return false;
  const size_t total = ip->total_length();
  // Zeros that pad a quote look like payload; the quoted length tells them
  // apart, unless a router rewrote it to something that cannot be.
  if (total >= ip->length() + kMinQuotedTransport) {
    transport =
        transport.first(std::min(transport.size(), total - ip->length()));
  }
  to = QuotedPacket{.source = ip->source(),
                    .destination = ip->destination(),
                    .ttl = ip->ttl(),
                    .tos = ip->tos(),
                    .protocol = ip->protocol(),
                    .id = ip->id(),
                    .total_length = total,
                    .transport = transport};
  return true;
}

// The shape that type and code promise, before anything else is checked.
template <typename View>
PacketShape ShapeOf(uint8_t type, uint8_t code) {
  constexpr bool kV4 = View::kFamily == Family::kIpv4;
  switch (type) {
    case kV4 ? kIcmpEchoReply:
    kIcmpv6EchoReply:
      return PacketShape::kEchoReply;
    case kV4 ? kIcmpUnreachable:
    kIcmpv6Unreachable:
      return PacketShape::kError;
    case kIcmpv6ParameterProblem:
      // Says which header a node does not know, as IPv4 does by Unreachable.
      return kV4 ? PacketShape::kOther : PacketShape::kError;
    case kV4 ? kIcmpTimeExceeded:
    kIcmpv6TimeExceeded:
      // Code 1 is about reassembly and says nothing of the path.
      return code == 0 ? PacketShape::kError : PacketShape::kOther;
    default:
      return PacketShape::kOther;
  }
}

// Reads the body, an ICMP message.
template <typename View>
PacketShape ReadIcmp(const View& ip, Packet& packet) {
  packet.icmp_type = std::to_integer<uint8_t>(packet.body[0]);
  packet.icmp_code = std::to_integer<uint8_t>(packet.body[1]);
  const PacketShape shape = ShapeOf<View>(packet.icmp_type, packet.icmp_code);
  if (shape == PacketShape::kOther) return shape;
  // A flipped bit in the quoted TTL or in the source would become a false
  // link, so both sums are checked.
  const uint16_t sum =
      OnesAdd(OnesSum(packet.body), ip.IcmpPseudoSum(packet.body.size()));
  const bool damaged =
      !ip.HasTrueSum() || sum != kTrueSum ||
      (shape == PacketShape::kError &&
       !ReadQuote<View>(SplitError<View>(packet.body, packet), packet.quote));
  return damaged ? PacketShape::kMalformed : shape;
}

// Reads the body, a TCP segment.
template <typename View>
PacketShape ReadSegment(const View& ip, Packet& packet) {
  packet.tcp_flags =
      std::to_integer<uint8_t>(packet.body[offsetof(TcpHeader, flags)]);
  constexpr uint8_t kSynAck = kTcpSyn | kTcpAck;
  if ((packet.tcp_flags & kTcpReset) == 0 &&
      (packet.tcp_flags & kSynAck) != kSynAck) {
    return PacketShape::kOther;
  }
  const uint16_t pseudo =
      OnesAdd(ip.AddressSum(),
              OnesAdd(kProtocolTcp, static_cast<uint16_t>(packet.body.size())));
  // A host on this very machine may leave the sum to a device that never comes:
  // then the sum of the pseudo-header stands in its place.
  const uint16_t stated =
      Load<Be16>(packet.body.subspan(offsetof(TcpHeader, checksum)));
  const bool right =
      OnesAdd(OnesSum(packet.body), pseudo) == kTrueSum || stated == pseudo;
  return ip.HasTrueSum() && right ? PacketShape::kSegment
                                  : PacketShape::kMalformed;
}

template <typename View>
void DissectIp(const View& ip, size_t received, Packet& packet) {
  packet.family = View::kFamily;
  packet.source = ip.source();
  packet.destination = ip.destination();
  packet.ttl = ip.ttl();
  packet.protocol = ip.protocol();
  const bool is_icmp = packet.protocol == View::kIcmp;
  if (!is_icmp && packet.protocol != kProtocolTcp) return;
  if (ip.is_later_fragment()) return;

  const size_t total = ip.total_length();
  const size_t least = is_icmp ? sizeof(IcmpHeader) : sizeof(TcpHeader);
  if (total < ip.length() + least || total > received) {
    packet.shape = PacketShape::kMalformed;
    return;
  }
  packet.body = ip.rest().first(total - ip.length());
  packet.shape = is_icmp ? ReadIcmp(ip, packet) : ReadSegment(ip, packet);
}

}  // namespace

Packet Dissect(ByteSpan bytes) {
  Packet packet;
  if (const auto v4 = Ipv4View::Of(bytes)) {
    DissectIp(*v4, bytes.size(), packet);
  } else if (const auto v6 = Ipv6View::Of(bytes)) {
    DissectIp(*v6, bytes.size(), packet);
  }
  return packet;
}

}  // namespace fathom
