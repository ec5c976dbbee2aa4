#include "src/codec/dissect.h"

#include <algorithm>
#include <optional>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

constexpr size_t kMinQuotedTransport = 8;  // RFC 792.

// The ones' complement sum of data that contains its own right checksum.
constexpr uint16_t kTrueSum = 0xffff;

// An IPv4 header, checked to lie within the bytes, options included.
struct Ipv4View {
  Ipv4Header header;
  std::span<const std::byte> options_and_header;
  std::span<const std::byte> rest;
};

std::optional<Ipv4View> ViewIpv4(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Ipv4Header)) return std::nullopt;
  Ipv4View view;
  view.header = Load<Ipv4Header>(bytes);
  const size_t length = view.header.header_length();
  if (view.header.version_ihl >> 4 != 4 || length < sizeof(Ipv4Header) ||
      length > bytes.size()) {
    return std::nullopt;
  }
  view.options_and_header = bytes.first(length);
  view.rest = bytes.subspan(length);
  return view;
}

// The bytes of an ICMP error that may hold the quote. Where RFC 4884 gives the
// quote a length, extensions follow it.
std::span<const std::byte> QuoteBytes(std::span<const std::byte> icmp) {
  const auto after_header = icmp.subspan(sizeof(IcmpHeader));
  const size_t stated = std::to_integer<size_t>(icmp[5]) * 4;
  if (stated == 0) return after_header;
  return after_header.first(std::min(stated, after_header.size()));
}

std::optional<QuotedPacket> ReadQuote(std::span<const std::byte> icmp) {
  const auto quoted = ViewIpv4(QuoteBytes(icmp));
  if (!quoted || quoted->rest.size() < kMinQuotedTransport) return std::nullopt;
  const Ipv4Header& header = quoted->header;
  QuotedPacket quote{.source = IpAddress::V4(header.source),
                     .destination = IpAddress::V4(header.destination),
                     .ttl = Ttl(header.ttl),
                     .protocol = header.protocol,
                     .id = header.id,
                     .total_length = header.total_length,
                     .transport = quoted->rest};
  // Zeros that pad a quote look like payload; the quoted length tells them
  // apart, unless a router rewrote it to something that cannot be.
  const size_t header_length = header.header_length();
  if (quote.total_length >= header_length + kMinQuotedTransport) {
    quote.transport = quote.transport.first(std::min<size_t>(
        quote.transport.size(), quote.total_length - header_length));
  }
  return quote;
}

// The shape that type and code promise, before anything else is checked.
PacketShape ShapeOf(const IcmpHeader& icmp) {
  switch (icmp.type) {
    case kIcmpEchoReply:
      return PacketShape::kEchoReply;
    case kIcmpUnreachable:
      return PacketShape::kError;
    case kIcmpTimeExceeded:
      // Code 1 is about reassembly and says nothing of the path.
      return icmp.code == 0 ? PacketShape::kError : PacketShape::kOther;
    default:
      return PacketShape::kOther;
  }
}

}  // namespace

Packet Dissect(std::span<const std::byte> bytes) {
  Packet packet;
  const auto ip = ViewIpv4(bytes);
  if (!ip) return packet;
  const Ipv4Header& header = ip->header;
  packet.source = IpAddress::V4(header.source);
  packet.destination = IpAddress::V4(header.destination);
  packet.ttl = Ttl(header.ttl);
  if (header.protocol != kProtocolIcmp ||
      (header.flags_fragment & kFragmentOffsetMask) != 0) {
    return packet;
  }

  const auto malformed = [&packet] {
    packet.shape = PacketShape::kMalformed;
    return packet;
  };
  const size_t header_length = header.header_length();
  if (header.total_length < header_length + sizeof(IcmpHeader) ||
      header.total_length > bytes.size()) {
    return malformed();
  }
  packet.icmp = ip->rest.first(header.total_length - header_length);
  const auto icmp = Load<IcmpHeader>(packet.icmp);
  packet.icmp_type = icmp.type;
  packet.icmp_code = icmp.code;
  packet.shape = ShapeOf(icmp);
  if (packet.shape == PacketShape::kOther) return packet;

  // A flipped bit in the quoted TTL or in the source would become a false
  // link, so both sums are checked.
  if (OnesSum(ip->options_and_header) != kTrueSum ||
      OnesSum(packet.icmp) != kTrueSum) {
    return malformed();
  }
  if (packet.shape == PacketShape::kError) {
    const auto quote = ReadQuote(packet.icmp);
    if (!quote) return malformed();
    packet.quote = *quote;
  }
  return packet;
}

}  // namespace fathom
