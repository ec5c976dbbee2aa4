#ifndef FATHOM_TESTS_ROUTER_REPLY_H_
#define FATHOM_TESTS_ROUTER_REPLY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tests/ip_packet.h"

namespace fathom {

// What routers and hosts send back, written by the RFCs and not by the code
// under test.

enum class ErrorType { kTimeExceeded, kUnreachable };

// Where the extensions of RFC 4884 are said to begin.
enum class ExtensionForm { kStated, kUnstated };

struct RouterOptions {
  std::optional<IpAddress> router{};  // Else one of its own.
  ErrorType type = ErrorType::kTimeExceeded;
  uint8_t code = 0;
  uint8_t ttl = 250;
  size_t quoted_transport = 8;  // Bytes after the quoted IP header.
  size_t outer_options = 0;     // Of IpOptions.
  size_t quoted_options = 0;
  uint8_t quoted_ttl = 1;
  uint8_t quoted_tos = 0;
  // Extensions: objects, behind a quote that zeros fill to this size. None if
  // the size is 0. Unstated ones begin at 128 bytes.
  size_t rfc4884_pad = 0;
  ExtensionForm form = ExtensionForm::kStated;
  Bytes objects{};
  uint8_t extension_version = 0x20;
  bool extension_summed = true;
};

inline IpAddress SomeRouter(bool v6) {
  return v6 ? *IpAddress::Parse("2001:db8:77::1")
            : *IpAddress::Parse("198.18.0.1");
}

// RFC 4884, section 7.
inline Bytes ExtensionStructure(const RouterOptions& options) {
  Bytes structure(4);
  structure[0] = static_cast<std::byte>(options.extension_version);
  structure.insert(structure.end(), options.objects.begin(),
                   options.objects.end());
  if (options.extension_summed) {
    Store(Be16(InternetChecksum(structure)), std::span(structure).subspan(2));
  }
  return structure;
}

// The start of `probe` as it arrives.
inline Bytes QuoteOf(std::span<const std::byte> probe,
                     const RouterOptions& options) {
  const size_t start = TransportStart(probe);
  const auto transport = probe.subspan(start);
  Bytes quote(probe.begin(), probe.begin() + start);
  if (IsV6(probe)) {
    auto header = Load<Ipv6Header>(probe);
    header.hop_limit = options.quoted_ttl;
    header.version_class_flow =
        header.version_class_flow | uint32_t{options.quoted_tos} << 20;
    if (options.quoted_options != 0) header.next_header = kIpv6Destination;
    Store(header, quote);
    const Bytes more = EmptyOptions(ProtocolOf(probe), options.quoted_options);
    quote.insert(quote.end(), more.begin(), more.end());
  } else {
    auto header = Load<Ipv4Header>(probe);
    header.ttl = options.quoted_ttl;
    header.tos = options.quoted_tos;
    header.version_ihl =
        static_cast<uint8_t>(header.version_ihl + options.quoted_options / 4);
    Store(header, quote);
    quote.resize(start + options.quoted_options, std::byte{1});
  }
  const size_t count = std::min(options.quoted_transport, transport.size());
  quote.insert(quote.end(), transport.begin(), transport.begin() + count);
  return quote;
}

// The error that a router sends about `probe`, an IP packet.
inline Bytes RouterReply(std::span<const std::byte> probe,
                         const RouterOptions& options = {}) {
  const bool v6 = IsV6(probe);
  const bool exceeded = options.type == ErrorType::kTimeExceeded;
  Bytes icmp(sizeof(IcmpHeader));
  icmp[0] =
      static_cast<std::byte>(v6 ? (exceeded ? 3 : 1) : (exceeded ? 11 : 3));
  icmp[1] = static_cast<std::byte>(options.code);
  const Bytes quote = QuoteOf(probe, options);
  icmp.insert(icmp.end(), quote.begin(), quote.end());
  if (options.rfc4884_pad != 0) {
    icmp.resize(sizeof(IcmpHeader) + options.rfc4884_pad);
    if (options.form == ExtensionForm::kStated) {
      icmp[v6 ? 4 : 5] =
          static_cast<std::byte>(options.rfc4884_pad / (v6 ? 8 : 4));
    }
    const Bytes structure = ExtensionStructure(options);
    icmp.insert(icmp.end(), structure.begin(), structure.end());
  }
  return IpAround({.source = options.router.value_or(SomeRouter(v6)),
                   .destination = SourceOf(probe),
                   .ttl = options.ttl,
                   .protocol = v6 ? kProtocolIcmpv6 : kProtocolIcmp,
                   .options = options.outer_options},
                  icmp);
}

// The echo reply of the host that `probe` is for, or of another.
inline Bytes EchoReply(std::span<const std::byte> probe,
                       const IpAddress& responder) {
  const auto request = probe.subspan(TransportStart(probe));
  Bytes icmp(request.begin(), request.end());
  icmp[0] = static_cast<std::byte>(IsV6(probe) ? 129 : 0);
  return IpAround({.source = responder,
                   .destination = SourceOf(probe),
                   .ttl = 60,
                   .protocol = ProtocolOf(probe)},
                  icmp);
}

// What a host says to the segment `probe` whose port is open or closed, with no
// connection there (RFC 9293, 3.10.7).
inline Bytes TcpAnswer(std::span<const std::byte> probe,
                       const IpAddress& responder, bool open = false) {
  const auto asked = Load<TcpHeader>(probe.subspan(TransportStart(probe)));
  TcpHeader answer{};
  answer.source_port = asked.destination_port;
  answer.destination_port = asked.source_port;
  answer.data_offset = 5 << 4;
  answer.flags = kTcpReset;
  if ((asked.flags & kTcpAck) != 0) {
    answer.sequence = asked.acknowledgment;
  } else {
    answer.acknowledgment = asked.sequence + 1;
    answer.flags = open ? kTcpSyn | kTcpAck : kTcpReset | kTcpAck;
    answer.sequence = open ? 0x12345678 : 0;
  }
  return IpAround({.source = responder,
                   .destination = SourceOf(probe),
                   .ttl = 60,
                   .protocol = kProtocolTcp},
                  std::as_bytes(std::span(&answer, 1)));
}

// What the host that `probe` is for, or another, says to it: an echo reply,
// that nobody listens at the port, or a reset.
inline Bytes HostAnswer(std::span<const std::byte> probe,
                        const IpAddress& responder) {
  if (IsTcp(probe)) return TcpAnswer(probe, responder);
  if (!IsUdp(probe)) return EchoReply(probe, responder);
  return RouterReply(probe, {.router = responder,
                             .type = ErrorType::kUnreachable,
                             .code = static_cast<uint8_t>(IsV6(probe) ? 4 : 3),
                             .quoted_transport = 548});
}

}  // namespace fathom

#endif  // FATHOM_TESTS_ROUTER_REPLY_H_
