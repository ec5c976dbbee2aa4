#include "tests/wire_end.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {

namespace {

Ipv4Header IcmpHeaderOf(IpAddress source, IpAddress destination,
                        size_t length) {
  Ipv4Header ip = {};
  ip.version_ihl = 0x45;
  ip.total_length = static_cast<uint16_t>(length);
  ip.ttl = 9;
  ip.protocol = kProtocolIcmp;
  ip.source = source.v4();
  ip.destination = destination.v4();
  ip.checksum = InternetChecksum(std::as_bytes(std::span(&ip, 1)));
  return ip;
}

constexpr size_t kMessage = sizeof(Ipv4Header) + sizeof(IcmpHeader);
constexpr size_t kNumberAt = 2 * kMessage;

}  // namespace

Bytes IcmpPacket(IpAddress source, IpAddress destination, uint8_t type,
                 uint32_t number) {
  Bytes packet(kNumberAt + sizeof number);
  const auto all = std::span(packet);
  Store(IcmpHeaderOf(source, destination, packet.size()), all);
  IcmpHeader icmp = {};
  icmp.type = type;
  icmp.sequence = static_cast<uint16_t>(number);
  Store(icmp, all.subspan(sizeof(Ipv4Header)));
  IcmpHeader quoted = {};
  quoted.type = kIcmpEchoRequest;
  Store(IcmpHeaderOf(destination, source, kMessage), all.subspan(kMessage));
  Store(quoted, all.subspan(kMessage + sizeof(Ipv4Header)));
  Store(number, all.subspan(kNumberAt));
  icmp.checksum = InternetChecksum(all.subspan(sizeof(Ipv4Header)));
  Store(icmp, all.subspan(sizeof(Ipv4Header)));
  return packet;
}

Bytes PacketAround(IpAddress source, IpAddress destination, uint8_t protocol,
                   Bytes message) {
  const auto size = static_cast<uint16_t>(message.size());
  Bytes packet;
  uint16_t sum = OnesAdd(protocol, size);
  if (source.family() == Family::kIpv4) {
    packet.resize(sizeof(Ipv4Header));
    Ipv4Header ip = IcmpHeaderOf(source, destination, packet.size() + size);
    ip.protocol = protocol;
    ip.checksum = 0;
    ip.checksum = InternetChecksum(std::as_bytes(std::span(&ip, 1)));
    Store(ip, packet);
    sum = OnesAdd(sum, OnesSum(std::span(packet).subspan(12)));
  } else {
    Ipv6Header ip = {};
    ip.version_class_flow = 6U << 28;
    ip.payload_length = size;
    ip.next_header = protocol;
    ip.hop_limit = 9;
    ip.source_high = source.high();
    ip.source_low = source.low();
    ip.destination_high = destination.high();
    ip.destination_low = destination.low();
    packet.resize(sizeof ip);
    Store(ip, packet);
    sum = OnesAdd(sum, OnesSum(std::span(packet).subspan(8)));
  }
  if (protocol == kProtocolIcmp) sum = 0;
  const size_t at = protocol == kProtocolTcp ? offsetof(TcpHeader, checksum)
                                             : offsetof(IcmpHeader, checksum);
  if (protocol == kProtocolTcp || protocol == kProtocolIcmp ||
      protocol == kProtocolIcmpv6) {
    Store(Be16(0), std::span(message).subspan(at));
    sum = OnesAdd(sum, OnesSum(message));
    Store(Be16(static_cast<uint16_t>(~sum)), std::span(message).subspan(at));
  }
  return Concat(packet, message);
}

Bytes TcpSegment(uint16_t source_port, uint16_t destination_port,
                 uint8_t flags) {
  TcpHeader tcp = {};
  tcp.source_port = source_port;
  tcp.destination_port = destination_port;
  tcp.sequence = 0x11223344;
  tcp.data_offset = 0x50;
  tcp.flags = flags;
  tcp.window = 1024;
  Bytes segment(sizeof tcp);
  Store(tcp, segment);
  return segment;
}

Bytes Icmpv6Error(IpAddress source, IpAddress destination, uint8_t type) {
  const Bytes quote =
      PacketAround(destination, source, kProtocolIcmpv6,
                   {std::byte{kIcmpv6EchoRequest}, {}, {}, {}, {}, {}, {}, {}});
  Bytes message(sizeof(IcmpHeader));
  message[0] = std::byte(type);
  return PacketAround(source, destination, kProtocolIcmpv6,
                      Concat(message, quote));
}

uint32_t NumberOf(std::span<const std::byte> packet) {
  if (packet.size() < kNumberAt + sizeof(uint32_t)) return ~0U;
  return Load<uint32_t>(packet.subspan(kNumberAt));
}

Bytes Concat(std::span<const std::byte> a, std::span<const std::byte> b) {
  Bytes all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

FarEnd::FarEnd(const Netns& netns, const std::string& device) {
  EXPECT_TRUE(netns.CheckIsolated().ok()) << netns.CheckIsolated();
  if (netns.IsIsolated()) netns.OnFarSide([&] { Open(device); });
  EXPECT_TRUE(fd_.valid());
}

void FarEnd::Send(const std::vector<Bytes>& frames) {
  constexpr size_t kBatch = 64;
  std::array<mmsghdr, kBatch> messages = {};
  std::array<iovec, kBatch> parts;
  for (size_t sent = 0; sent < frames.size();) {
    const size_t count = std::min(kBatch, frames.size() - sent);
    for (size_t i = 0; i < count; ++i) {
      const Bytes& frame = frames[sent + i];
      parts[i] = {const_cast<std::byte*>(frame.data()), frame.size()};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int done =
        sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), 0);
    ASSERT_GT(done, 0);
    sent += static_cast<size_t>(done);
  }
}

std::optional<Bytes> FarEnd::Hear(uint16_t type) {
  while (true) {
    pollfd wait = {fd_.get(), POLLIN, 0};
    if (poll(&wait, 1, 10'000) != 1) return std::nullopt;
    Bytes frame(2048);
    sockaddr_ll from = {};
    socklen_t size = sizeof from;
    const ssize_t length = recvfrom(fd_.get(), frame.data(), frame.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
    if (length < static_cast<ssize_t>(sizeof(EthernetHeader))) continue;
    frame.resize(static_cast<size_t>(length));
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    if (Load<EthernetHeader>(frame).type == type) return frame;
  }
}

void FarEnd::Open(const std::string& device) {
  fd_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  const int buffer = 32 << 20;
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
  EXPECT_EQ(
      bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
      0);
}

}  // namespace fathom
