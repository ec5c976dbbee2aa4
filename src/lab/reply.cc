#include "src/lab/reply.h"

#include <algorithm>
#include <cstring>

#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace fathom::lab {
namespace {

constexpr uint32_t kPrivateSpace = 0x0a000000;

constexpr size_t kQuoteStart = sizeof(Ipv4Header) + sizeof(IcmpHeader);

// Extensions follow a quote of this size, padded with zeros where need be (RFC
// 4884, 5.1).
constexpr size_t kPaddedQuote = 128;

// How much of the probe there is in the quote.
size_t QuotedBytes(const ProbePacket& probe, const IcmpError& error) {
  const size_t least = probe.header_length + 8;
  const size_t most =
      error.label != nullptr ? kPaddedQuote : kMaxErrorSize - kQuoteStart;
  return std::min(
      {probe.bytes.size(), most, std::max<size_t>(least, error.quotes)});
}

void WriteIpHeader(const ProbePacket& probe, const ReplyHeader& header,
                   uint8_t protocol, uint8_t tos, std::span<std::byte> out) {
  Ipv4Header ip = {.version_ihl = 0x45,
                   .tos = tos,
                   .total_length = static_cast<uint16_t>(out.size()),
                   .id = header.id,
                   .flags_fragment = 0,
                   .ttl = header.ttl,
                   .protocol = protocol,
                   .checksum = 0,
                   .source = header.source,
                   .destination = probe.ip.source};
  Store(ip, out);
  ip.checksum = InternetChecksum(out.first(sizeof ip));
  Store(ip, out);
}

// Sets the checksum of the ICMP message that `out` holds after its IP header.
void FinishIcmp(IcmpHeader icmp, std::span<std::byte> out) {
  const auto message = out.subspan(sizeof(Ipv4Header));
  icmp.checksum = 0;
  Store(icmp, message);
  icmp.checksum = InternetChecksum(message);
  Store(icmp, message);
}

// Changes what a middlebox would. Sums are left as they came.
void Spoil(const IcmpError& error, size_t header_length,
           std::span<std::byte> quote) {
  auto ip = Load<Ipv4Header>(quote);
  switch (error.rewrite) {
    case Rewrite::kNone:
      return;
    case Rewrite::kTarget:
      ip.destination = kPrivateSpace | (error.chance & 0xffffff);
      break;
    case Rewrite::kFlow: {
      const auto low = static_cast<uint16_t>(error.chance);
      const size_t at = ip.protocol == kProtocolIcmp ? 4 : 0;
      Store(Be16(low), quote.subspan(header_length + at));
      break;
    }
    case Rewrite::kId:
      ip.id = 0;
      break;
  }
  Store(ip, quote);
}

// The quoted header as it came: with less TTL than when it was sent, and a
// checksum that routers kept true on the way.
void Quote(const ProbePacket& probe, const IcmpError& error,
           std::span<std::byte> out) {
  std::memcpy(out.data(), probe.bytes.data(), out.size());
  Spoil(error, probe.header_length, out);
  auto ip = Load<Ipv4Header>(out);
  ip.ttl = error.quoted_ttl;
  ip.checksum = 0;
  Store(ip, out);
  ip.checksum = InternetChecksum(out.first(probe.header_length));
  Store(ip, out);
}

}  // namespace

void WriteLabel(const Label& label, std::span<std::byte> out) {
  constexpr uint16_t kVersion2 = 0x2000;
  constexpr uint16_t kObjectLength = 8;
  constexpr uint16_t kLabelStack = 0x0101;
  constexpr uint32_t kBottom = 1 << 8;
  Store(Be16(kVersion2), out);
  Store(Be16(0), out.subspan(2));
  Store(Be16(kObjectLength), out.subspan(4));
  Store(Be16(kLabelStack), out.subspan(6));
  Store(Be32(label.value << 12 | kBottom | label.ttl), out.subspan(8));
  Store(Be16(InternetChecksum(out)), out.subspan(2));
}

size_t ErrorSize(const ProbePacket& probe, const IcmpError& error) {
  return kQuoteStart + (error.label != nullptr ? kPaddedQuote + kExtensionSize
                                               : QuotedBytes(probe, error));
}

void WriteError(const ProbePacket& probe, const ReplyHeader& header,
                const IcmpError& error, std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolIcmp, 0, out);
  const auto rest = out.subspan(kQuoteStart);
  const size_t quoted = QuotedBytes(probe, error);
  Quote(probe, error, rest.first(quoted));
  uint16_t length = 0;
  if (error.label != nullptr) {
    std::memset(rest.data() + quoted, 0, kPaddedQuote - quoted);
    WriteLabel(*error.label, rest.subspan(kPaddedQuote));
    // The low byte of what echo messages call their id is the length, in
    // words of 32 bits.
    if (!error.label->odd) length = kPaddedQuote / 4;
  }
  FinishIcmp({.type = error.type,
              .code = error.code,
              .checksum = 0,
              .id = length,
              .sequence = 0},
             out);
}

size_t EchoReplySize(const ProbePacket& probe) {
  return sizeof(Ipv4Header) + probe.transport().size();
}

void WriteEchoReply(const ProbePacket& probe, const ReplyHeader& header,
                    std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolIcmp, probe.ip.tos, out);
  const auto message = probe.transport();
  std::memcpy(out.data() + sizeof(Ipv4Header), message.data(), message.size());
  auto icmp = Load<IcmpHeader>(message);
  icmp.type = kIcmpEchoReply;
  FinishIcmp(icmp, out);
}

void WriteTcpAnswer(const ProbePacket& probe, const ReplyHeader& header,
                    bool open, std::span<std::byte> out) {
  WriteIpHeader(probe, header, kProtocolTcp, 0, out);
  const auto segment = out.subspan(sizeof(Ipv4Header));
  const auto asked = Load<TcpHeader>(probe.transport());
  const bool acknowledges = (asked.flags & kTcpAck) != 0;
  const bool takes = open && probe.question == Question::kTcpSyn;
  TcpHeader tcp = {.source_port = asked.destination_port,
                   .destination_port = asked.source_port,
                   .sequence = 0,
                   .acknowledgment = 0,
                   .data_offset = 5 << 4,
                   .flags = kTcpReset,
                   .window = 0,
                   .checksum = 0,
                   .urgent = 0};
  if (acknowledges) {
    tcp.sequence = asked.acknowledgment;
  } else {
    const size_t header_bytes = (asked.data_offset >> 4) * size_t{4};
    const size_t size = probe.transport().size();
    const size_t data = size - std::min(size, header_bytes);
    const uint32_t syn = (asked.flags & kTcpSyn) != 0 ? 1 : 0;
    tcp.acknowledgment = asked.sequence + syn + static_cast<uint32_t>(data);
    tcp.flags = takes ? kTcpSyn | kTcpAck : kTcpReset | kTcpAck;
    tcp.window = takes ? 64'240 : 0;
    tcp.sequence = takes ? header.id * 2'654'435'769U : 0;
  }
  Store(tcp, segment);
  const auto ip = Load<Ipv4Header>(out);
  tcp.checksum = static_cast<uint16_t>(
      ~OnesAdd(OnesSum(segment), PseudoSum(ip, segment.size())));
  Store(tcp, segment);
}

}  // namespace fathom::lab
