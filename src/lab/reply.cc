#include "src/lab/reply.h"

#include <algorithm>
#include <cstring>

#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace fathom::lab {
namespace {

constexpr size_t kQuoteStart = sizeof(Ipv4Header) + sizeof(IcmpHeader);

size_t QuoteSize(const ProbePacket& probe, const IcmpError& error) {
  if (!error.quotes_all) return probe.header_length + 8;
  return std::min(probe.bytes.size(), kMaxErrorSize - kQuoteStart);
}

void WriteIpHeader(const ProbePacket& probe, const ReplyHeader& header,
                   uint8_t tos, std::span<std::byte> out) {
  Ipv4Header ip = {.version_ihl = 0x45,
                   .tos = tos,
                   .total_length = static_cast<uint16_t>(out.size()),
                   .id = header.id,
                   .flags_fragment = 0,
                   .ttl = header.ttl,
                   .protocol = kProtocolIcmp,
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

// The quoted header as it came: with less TTL than when it was sent, and a
// checksum that routers kept true on the way.
void Quote(const ProbePacket& probe, uint8_t ttl, std::span<std::byte> out) {
  std::memcpy(out.data(), probe.bytes.data(), out.size());
  Ipv4Header ip = probe.ip;
  ip.ttl = ttl;
  ip.checksum = 0;
  Store(ip, out);
  ip.checksum = InternetChecksum(out.first(probe.header_length));
  Store(ip, out);
}

}  // namespace

size_t ErrorSize(const ProbePacket& probe, const IcmpError& error) {
  return kQuoteStart + QuoteSize(probe, error);
}

void WriteError(const ProbePacket& probe, const ReplyHeader& header,
                const IcmpError& error, std::span<std::byte> out) {
  WriteIpHeader(probe, header, 0, out);
  Quote(probe, error.quoted_ttl, out.subspan(kQuoteStart));
  FinishIcmp({.type = error.type,
              .code = error.code,
              .checksum = 0,
              .id = 0,
              .sequence = 0},
             out);
}

size_t EchoReplySize(const ProbePacket& probe) {
  return sizeof(Ipv4Header) + probe.transport().size();
}

void WriteEchoReply(const ProbePacket& probe, const ReplyHeader& header,
                    std::span<std::byte> out) {
  WriteIpHeader(probe, header, probe.ip.tos, out);
  const auto message = probe.transport();
  std::memcpy(out.data() + sizeof(Ipv4Header), message.data(), message.size());
  auto icmp = Load<IcmpHeader>(message);
  icmp.type = kIcmpEchoReply;
  FinishIcmp(icmp, out);
}

}  // namespace fathom::lab
