#include "src/trace/sent_probe.h"

#include <netinet/in.h>

#include <algorithm>

#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace fathom {
namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kIpv4Size = 20;
constexpr size_t kIpv6Size = 40;
constexpr size_t kIcmpSize = 8;
constexpr size_t kLeast = 10;  // After the IP header.

// Where extensions begin at the least, behind the start of the quote (RFC 4884,
// section 5.1).
constexpr size_t kQuoteBeforeExtensions = 128;

// Of what follows an IP header.
struct Protocol {
  uint8_t number;
  size_t checksum_at;
};
constexpr Protocol kIcmp = {IPPROTO_ICMP, 2};
constexpr Protocol kIcmpv6 = {IPPROTO_ICMPV6, 2};
constexpr Protocol kTcp = {IPPROTO_TCP, 16};

uint64_t LoadHalf(std::span<const std::byte> bytes) {
  return uint64_t{Load<Be32>(bytes)} << 32 | Load<Be32>(bytes.subspan(4));
}

void StoreAddress(const IpAddress& address, std::span<std::byte> at) {
  if (address.family() == Family::kIpv4) {
    Store(Be32(address.v4()), at);
    return;
  }
  Store(Be32(static_cast<uint32_t>(address.high() >> 32)), at);
  Store(Be32(static_cast<uint32_t>(address.high())), at.subspan(4));
  Store(Be32(static_cast<uint32_t>(address.low() >> 32)), at.subspan(8));
  Store(Be32(static_cast<uint32_t>(address.low())), at.subspan(12));
}

// Puts an IP header before `rest`, whose checksum, which stands at
// `checksum_at`, it fills in.
Bytes Wrap(Family family, const SocketAnswer& answer, Bytes rest,
           Protocol protocol) {
  const bool v4 = family == Family::kIpv4;
  Bytes packet(v4 ? kIpv4Size : kIpv6Size);
  const std::span<std::byte> at(packet);
  const auto size = static_cast<uint16_t>(rest.size());
  const std::byte number{protocol.number};
  if (v4) {
    at[0] = std::byte{0x45};
    Store(Be16(static_cast<uint16_t>(size + kIpv4Size)), at.subspan(2));
    at[8] = std::byte{answer.arrival_ttl};
    at[9] = number;
    StoreAddress(answer.responder, at.subspan(12));
    StoreAddress(answer.source, at.subspan(16));
    Store(Be16(InternetChecksum(packet)), at.subspan(10));
  } else {
    at[0] = std::byte{0x60};
    Store(Be16(size), at.subspan(4));
    at[6] = number;
    at[7] = std::byte{answer.arrival_ttl};
    StoreAddress(answer.responder, at.subspan(8));
    StoreAddress(answer.source, at.subspan(24));
  }
  // ICMP over IPv4 has no pseudo-header.
  const bool bare = protocol.number == IPPROTO_ICMP;
  const uint16_t pseudo =
      bare ? 0
           : OnesAdd(OnesAdd(OnesSum(at.subspan(v4 ? 12 : 8)), size),
                     protocol.number);
  const auto sum = std::span(rest).subspan(protocol.checksum_at);
  Store(Be16(0), sum);
  Store(Be16(static_cast<uint16_t>(~OnesAdd(OnesSum(rest), pseudo))), sum);
  packet.insert(packet.end(), rest.begin(), rest.end());
  return packet;
}

Bytes WrapIcmp(Family family, const SocketAnswer& answer, Bytes icmp) {
  return Wrap(family, answer, std::move(icmp),
              family == Family::kIpv4 ? kIcmp : kIcmpv6);
}

}  // namespace

std::optional<SentProbe> ReadSentProbe(std::span<const std::byte> packet) {
  if (packet.size() < kIpv4Size + kLeast) return std::nullopt;
  SentProbe probe{.packet = packet};
  if (packet[0] == std::byte{0x45}) {
    probe.ttl = std::to_integer<uint8_t>(packet[8]);
    probe.protocol = std::to_integer<uint8_t>(packet[9]);
    probe.destination = IpAddress::V4(Load<Be32>(packet.subspan(16)));
    probe.header_size = kIpv4Size;
    return probe;
  }
  const bool v6 = std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  if (!v6 || packet.size() < kIpv6Size + kLeast) return std::nullopt;
  probe.family = Family::kIpv6;
  probe.protocol = std::to_integer<uint8_t>(packet[6]);
  probe.ttl = std::to_integer<uint8_t>(packet[7]);
  probe.destination =
      IpAddress::V6(LoadHalf(packet.subspan(24)), LoadHalf(packet.subspan(32)));
  probe.header_size = kIpv6Size;
  return probe;
}

Bytes ErrorAbout(const SentProbe& probe, const SocketAnswer& answer) {
  const bool v4 = probe.family == Family::kIpv4;
  Bytes icmp(kIcmpSize);
  icmp[0] = std::byte{answer.icmp_type};
  icmp[1] = std::byte{answer.icmp_code};
  icmp.insert(icmp.end(), probe.packet.begin(), probe.packet.end());
  icmp[kIcmpSize + (v4 ? 8 : 7)] = std::byte{0};
  if (!answer.extensions.empty()) {
    // The quote is filled up with zeros, and its length said in words of 32
    // bits, or of 64 for IPv6.
    const size_t word = v4 ? 4 : 8;
    size_t quote = std::max(probe.packet.size(), kQuoteBeforeExtensions);
    quote = (quote + word - 1) / word * word;
    icmp.resize(kIcmpSize + quote);
    icmp[v4 ? 5 : 4] = static_cast<std::byte>(quote / word);
    icmp.insert(icmp.end(), answer.extensions.begin(), answer.extensions.end());
  }
  return WrapIcmp(probe.family, answer, std::move(icmp));
}

Bytes EchoReplyTo(const SentProbe& probe, const SocketAnswer& answer) {
  constexpr uint8_t kIpv4Reply = 0;
  constexpr uint8_t kIpv6Reply = 129;
  Bytes icmp(probe.transport().begin(), probe.transport().end());
  icmp[0] = std::byte{probe.family == Family::kIpv4 ? kIpv4Reply : kIpv6Reply};
  return WrapIcmp(probe.family, answer, std::move(icmp));
}

Bytes SegmentAnswering(const SentProbe& probe, const SocketAnswer& answer,
                       bool open) {
  constexpr size_t kSize = 20;
  constexpr uint8_t kReset = 0x04, kSyn = 0x02, kAck = 0x10;
  const auto asked = probe.transport();
  Bytes segment(kSize);
  const std::span<std::byte> at(segment);
  Store(Load<Be16>(asked.subspan(2)), at);
  Store(Load<Be16>(asked), at.subspan(2));
  Store(Be32(Load<Be32>(asked.subspan(4)) + 1), at.subspan(8));
  at[12] = std::byte{kSize / 4 << 4};
  at[13] = static_cast<std::byte>((open ? kSyn : kReset) | kAck);
  SocketAnswer from = answer;
  from.responder = probe.destination;
  return Wrap(probe.family, from, std::move(segment), kTcp);
}

}  // namespace fathom
