#include "src/codec/dissect.h"

#include <algorithm>
#include <cstddef>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

constexpr size_t kMinQuotedTransport = 8;  // RFC 792.

// The ones' complement sum of data that contains its own right checksum.
constexpr uint16_t kTrueSum = 0xffff;

// An IPv4 header, known to lie within its bytes, options included. Fields are
// read where they stand: a header copied as a whole would be written and read
// in words of different sizes, and each such read waits for the write.
class Ipv4View {
 public:
  // Whether `bytes` begin with such a header.
  static bool Fits(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Ipv4Header)) return false;
    const size_t length = (std::to_integer<size_t>(bytes[0]) & 0xf) * 4;
    return std::to_integer<int>(bytes[0]) >> 4 == 4 &&
           length >= sizeof(Ipv4Header) && length <= bytes.size();
  }

  // REQUIRES: Fits(bytes).
  explicit Ipv4View(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t length() const {
    return (std::to_integer<size_t>(bytes_[0]) & 0xf) * 4;
  }
  uint16_t total_length() const {
    return Field<Be16>(offsetof(Ipv4Header, total_length));
  }
  uint16_t id() const { return Field<Be16>(offsetof(Ipv4Header, id)); }
  bool is_later_fragment() const {
    const uint16_t word = Field<Be16>(offsetof(Ipv4Header, flags_fragment));
    return (word & kFragmentOffsetMask) != 0;
  }
  Ttl ttl() const { return Ttl(Field<uint8_t>(offsetof(Ipv4Header, ttl))); }
  uint8_t protocol() const {
    return Field<uint8_t>(offsetof(Ipv4Header, protocol));
  }
  IpAddress source() const {
    return IpAddress::V4(Field<Be32>(offsetof(Ipv4Header, source)));
  }
  IpAddress destination() const {
    return IpAddress::V4(Field<Be32>(offsetof(Ipv4Header, destination)));
  }

  std::span<const std::byte> header() const { return bytes_.first(length()); }
  std::span<const std::byte> rest() const { return bytes_.subspan(length()); }

 private:
  template <typename T>
  T Field(size_t offset) const {
    return Load<T>(bytes_.subspan(offset));
  }

  std::span<const std::byte> bytes_;
};

// The bytes of an ICMP error that may hold the quote. Where RFC 4884 gives the
// quote a length, extensions follow it.
std::span<const std::byte> QuoteBytes(std::span<const std::byte> icmp) {
  const auto after_header = icmp.subspan(sizeof(IcmpHeader));
  const size_t stated = std::to_integer<size_t>(icmp[5]) * 4;
  if (stated == 0) return after_header;
  return after_header.first(std::min(stated, after_header.size()));
}

bool ReadQuote(std::span<const std::byte> icmp, QuotedPacket& quote) {
  const auto bytes = QuoteBytes(icmp);
  if (!Ipv4View::Fits(bytes)) return false;
  const Ipv4View ip(bytes);
  quote.transport = ip.rest();
  if (quote.transport.size() < kMinQuotedTransport) return false;
  quote.source = ip.source();
  quote.destination = ip.destination();
  quote.ttl = ip.ttl();
  quote.protocol = ip.protocol();
  quote.id = ip.id();
  quote.total_length = ip.total_length();
  // Zeros that pad a quote look like payload; the quoted length tells them
  // apart, unless a router rewrote it to something that cannot be.
  if (quote.total_length >= ip.length() + kMinQuotedTransport) {
    quote.transport = quote.transport.first(std::min<size_t>(
        quote.transport.size(), quote.total_length - ip.length()));
  }
  return true;
}

// The shape that type and code promise, before anything else is checked.
PacketShape ShapeOf(uint8_t type, uint8_t code) {
  switch (type) {
    case kIcmpEchoReply:
      return PacketShape::kEchoReply;
    case kIcmpUnreachable:
      return PacketShape::kError;
    case kIcmpTimeExceeded:
      // Code 1 is about reassembly and says nothing of the path.
      return code == 0 ? PacketShape::kError : PacketShape::kOther;
    default:
      return PacketShape::kOther;
  }
}

}  // namespace

Packet Dissect(std::span<const std::byte> bytes) {
  Packet packet;
  if (!Ipv4View::Fits(bytes)) return packet;
  const Ipv4View ip(bytes);
  packet.source = ip.source();
  packet.destination = ip.destination();
  packet.ttl = ip.ttl();
  if (ip.protocol() != kProtocolIcmp || ip.is_later_fragment()) return packet;

  const size_t total = ip.total_length();
  if (total < ip.length() + sizeof(IcmpHeader) || total > bytes.size()) {
    packet.shape = PacketShape::kMalformed;
    return packet;
  }
  packet.icmp = ip.rest().first(total - ip.length());
  packet.icmp_type = std::to_integer<uint8_t>(packet.icmp[0]);
  packet.icmp_code = std::to_integer<uint8_t>(packet.icmp[1]);
  packet.shape = ShapeOf(packet.icmp_type, packet.icmp_code);
  if (packet.shape == PacketShape::kOther) return packet;

  // A flipped bit in the quoted TTL or in the source would become a false
  // link, so both sums are checked.
  const bool damaged = OnesSum(ip.header()) != kTrueSum ||
                       OnesSum(packet.icmp) != kTrueSum ||
                       (packet.shape == PacketShape::kError &&
                        !ReadQuote(packet.icmp, packet.quote));
  if (damaged) packet.shape = PacketShape::kMalformed;
  return packet;
}

}  // namespace fathom
