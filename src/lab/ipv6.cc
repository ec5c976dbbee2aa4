#include "src/lab/ipv6.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kPrefix = 0xfd00'0000'0000'0000;  // fd00::/40.
constexpr size_t kLeastTransport = 8;
constexpr uint16_t kRightSum = 0xffff;

// Errors are no longer than the least MTU (RFC 4443, 2.4).
constexpr size_t kMaxIpv6Error = 1280;
constexpr size_t kQuoteStart = sizeof(Ipv6Header) + sizeof(IcmpHeader);
constexpr size_t kPaddedQuote = 128;  // As over IPv4.

IpAddress SourceOf(std::span<const std::byte> packet) {
  const auto ip = Load<Ipv6Header>(packet);
  return IpAddress::V6(ip.source_high, ip.source_low);
}

IpAddress TargetOf(std::span<const std::byte> packet) {
  const auto ip = Load<Ipv6Header>(packet);
  return IpAddress::V6(ip.destination_high, ip.destination_low);
}

// The sum of the pseudo-header (RFC 8200, 8.1).
uint16_t PseudoSum(std::span<const std::byte> packet, uint8_t protocol,
                   size_t transport_bytes) {
  constexpr size_t kAddresses = offsetof(Ipv6Header, source_high);
  const uint16_t addresses =
      OnesSum(packet.subspan(kAddresses, sizeof(Ipv6Header) - kAddresses));
  return OnesAdd(addresses, static_cast<uint16_t>(transport_bytes + protocol));
}

// What an error over IPv4 is called in ICMPv6 (RFC 7915, 4.2, back).
IcmpHeader ErrorHeader(const IcmpError& error) {
  IcmpHeader icmp{};
  if (error.type == kIcmpTimeExceeded) {
    icmp.type = kIcmpv6TimeExceeded;
    return icmp;
  }
  icmp.type = kIcmpv6Unreachable;
  switch (error.code) {
    case kIcmpPortUnreachable:
      icmp.code = 4;
      break;
    case kIcmpHostUnreachable:
      icmp.code = 3;  // Address unreachable.
      break;
    case kIcmpNetProhibited:
    case kIcmpHostProhibited:
    case kIcmpProhibited:
      icmp.code = 1;
      break;
    default:
      icmp.code = 0;  // No route.
  }
  return icmp;
}

// Who answers: the target under the name by which it was asked.
IpAddress Responder(const ProbePacket& probe, const ReplyHeader& header) {
  if (header.source == uint32_t{probe.ip.destination}) {
    return TargetOf(probe.bytes);
  }
  return ToIpv6(header.source);
}

void WriteIpHeader(const ProbePacket& probe, const ReplyHeader& header,
                   uint8_t protocol, std::span<std::byte> out) {
  const IpAddress from = Responder(probe, header);
  const IpAddress to = SourceOf(probe.bytes);
  Store(Ipv6Header{.version_class_flow = 6U << 28,
                   .payload_length =
                       static_cast<uint16_t>(out.size() - sizeof(Ipv6Header)),
                   .next_header = protocol,
                   .hop_limit = header.ttl,
                   .source_high = from.high(),
                   .source_low = from.low(),
                   .destination_high = to.high(),
                   .destination_low = to.low()},
        out);
}

// The checksum of what `out` holds after its IP header, as far as it is
// written.
uint16_t ChecksumOf(uint8_t protocol, std::span<const std::byte> out) {
  const auto message = out.subspan(sizeof(Ipv6Header));
  return static_cast<uint16_t>(
      ~OnesAdd(OnesSum(message), PseudoSum(out, protocol, message.size())));
}

void FinishIcmp(IcmpHeader icmp, std::span<std::byte> out) {
  const auto message = out.subspan(sizeof(Ipv6Header));
  icmp.checksum = 0;
  Store(icmp, message);
  icmp.checksum = ChecksumOf(kProtocolIcmpv6, out);
  Store(icmp, message);
}

size_t QuotedBytes(const ProbePacket& probe, const IcmpError& error) {
  const size_t most =
      error.label != nullptr ? kPaddedQuote : kMaxIpv6Error - kQuoteStart;
  return std::min(probe.bytes.size(), most);
}

// Changes what a middlebox would. There is no IP id.
void Spoil(const IcmpError& error, std::span<std::byte> quote) {
  auto ip = Load<Ipv6Header>(quote);
  if (error.rewrite == Rewrite::kTarget) {
    const IpAddress other = ToIpv6(0x0a000000 | (error.chance & 0xffffff));
    ip.destination_high = other.high();
    ip.destination_low = other.low();
    Store(ip, quote);
  } else if (error.rewrite == Rewrite::kFlow) {
    const size_t at = ip.next_header == kProtocolIcmpv6 ? 4 : 0;
    Store(Be16(static_cast<uint16_t>(error.chance)),
          quote.subspan(sizeof(Ipv6Header) + at));
  }
}

// The TCP answer of a host is the same, but for its checksum.
constexpr size_t kIpv4 = sizeof(Ipv4Header);

}  // namespace

IpAddress ToIpv6(uint32_t address) {
  return IpAddress::V6(kPrefix | address >> 8, address & 0xff);
}

uint32_t FromIpv6(const IpAddress& address) {
  if (address.high() >> 24 != kPrefix >> 24) return 0;
  return static_cast<uint32_t>(address.high() << 8 | (address.low() & 0xff));
}

std::optional<ProbePacket> ReadIpv6Probe(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Ipv6Header)) return std::nullopt;
  const auto ip = Load<Ipv6Header>(bytes);
  const size_t total = sizeof ip + ip.payload_length;
  if (ip.version_class_flow >> 28 != 6 || total > bytes.size() ||
      total < sizeof ip + kLeastTransport || ip.hop_limit == 0) {
    return std::nullopt;
  }
  ProbePacket packet;
  packet.ipv6 = true;
  packet.bytes = bytes.first(total);
  packet.header_length = sizeof ip;
  const IpAddress source = SourceOf(bytes);
  packet.ip.tos = static_cast<uint8_t>(ip.version_class_flow >> 20);
  packet.ip.ttl = ip.hop_limit;
  packet.ip.source = FromIpv6(source);
  packet.ip.destination = FromIpv6(TargetOf(bytes));
  const bool icmp = ip.next_header == kProtocolIcmpv6;
  packet.ip.protocol = icmp ? kProtocolIcmp : ip.next_header;

  const auto transport = packet.transport();
  const auto start = Load<IcmpHeader>(transport);
  const bool has_header = transport.size() >= sizeof(TcpHeader);
  const uint32_t flow_label = ip.version_class_flow & 0xfffff;
  packet.keys = KeysOf(
      Again(AddressKey(packet.ip.source, packet.ip.destination), flow_label),
      packet.ip.tos, packet.ip.protocol, Load<Be32>(transport),
      icmp ? uint16_t{start.id} : uint16_t{0});
  const uint8_t type = icmp && start.type == kIcmpv6EchoRequest
                           ? kIcmpEchoRequest
                           : uint8_t{0xff};
  packet.question =
      QuestionOf(packet.ip.protocol, type, has_header,
                 has_header ? Load<TcpHeader>(transport).flags : 0);
  packet.answerable = !icmp || packet.question == Question::kEcho;
  return packet;
}

bool HasRightIpv6Checksum(const ProbePacket& probe) {
  const auto transport = probe.transport();
  const uint8_t protocol = Load<Ipv6Header>(probe.bytes).next_header;
  if (protocol != kProtocolIcmpv6 && protocol != kProtocolUdp &&
      protocol != kProtocolTcp) {
    return true;
  }
  return OnesAdd(OnesSum(transport), PseudoSum(probe.bytes, protocol,
                                               transport.size())) == kRightSum;
}

size_t Ipv6ErrorSize(const ProbePacket& probe, const IcmpError& error) {
  return kQuoteStart + (error.label != nullptr ? kPaddedQuote + kExtensionSize
                                               : QuotedBytes(probe, error));
}

void WriteIpv6Error(const ProbePacket& probe, const ReplyHeader& header,
                    const IcmpError& error, std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolIcmpv6, out);
  const auto rest = out.subspan(kQuoteStart);
  const size_t quoted = QuotedBytes(probe, error);
  const auto quote = rest.first(quoted);
  std::memcpy(quote.data(), probe.bytes.data(), quoted);
  Spoil(error, quote);
  quote[offsetof(Ipv6Header, hop_limit)] = std::byte{error.quoted_ttl};
  IcmpHeader icmp = ErrorHeader(error);
  if (error.label != nullptr) {
    std::memset(rest.data() + quoted, 0, kPaddedQuote - quoted);
    WriteLabel(*error.label, rest.subspan(kPaddedQuote));
    // The high byte of what echo messages call their id is the length, in words
    // of 64 bits (RFC 4884, 4.4).
    if (!error.label->odd) icmp.id = kPaddedQuote / 8 << 8;
  }
  FinishIcmp(icmp, out);
}

size_t Ipv6EchoReplySize(const ProbePacket& probe) {
  return probe.bytes.size();
}

void WriteIpv6EchoReply(const ProbePacket& probe, const ReplyHeader& header,
                        std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolIcmpv6, out);
  const auto message = probe.transport();
  std::memcpy(out.data() + sizeof(Ipv6Header), message.data(), message.size());
  auto icmp = Load<IcmpHeader>(message);
  icmp.type = kIcmpv6EchoReply;
  FinishIcmp(icmp, out);
}

void WriteIpv6TcpAnswer(const ProbePacket& probe, const ReplyHeader& header,
                        bool open, std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolTcp, out);
  std::array<std::byte, kTcpAnswerSize> ipv4;
  WriteTcpAnswer(probe, header, open, ipv4);
  const auto segment = out.subspan(sizeof(Ipv6Header));
  std::memcpy(segment.data(), &ipv4[kIpv4], ipv4.size() - kIpv4);
  auto tcp = Load<TcpHeader>(segment);
  tcp.checksum = 0;
  Store(tcp, segment);
  tcp.checksum = ChecksumOf(kProtocolTcp, out);
  Store(tcp, segment);
}

}  // namespace fathom::lab
