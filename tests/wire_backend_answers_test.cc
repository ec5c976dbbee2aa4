// What backends on a Linux interface take for answers to probes, beyond ICMP.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "tests/backend_stand.h"

namespace fathom {
namespace {

constexpr uint16_t kPort = 40'000;

class AnswersTest : public WireBackendTest {
 protected:
  void SetUp() override {
    WireBackendTest::SetUp();
    if (!far_) return;  // Skipped, or failed.
    ASSERT_TRUE(netns_->Ip("addr add fd00::2/64 dev veth0 nodad").ok());
    ASSERT_TRUE(netns_->FarIp("addr add fd00::1/64 dev peer0 nodad").ok());
  }

  // Over which family, and which answer ends each wait.
  struct Way {
    IpAddress near;
    IpAddress far;
    uint16_t type;
    Bytes last;
  };

  static Way Over(Family family) {
    if (family == Family::kIpv4) {
      return {kNear, kFar, kEtherTypeIpv4,
              IcmpPacket(kFar, kNear, kIcmpTimeExceeded, 4711)};
    }
    return {kNear6, kFar6, kEtherTypeIpv6,
            // About another probe than those of the cases.
            PacketAround(kFar6, kNear6, kProtocolIcmpv6,
                         Bytes(9, std::byte{kIcmpv6EchoReply}))};
  }

  void OpenOver(Family family, bool tcp = true) {
    BackendOptions options = stand_->options(2048);
    if (family == Family::kIpv6) options = OverIpv6(options);
    options.tcp = tcp;
    Open(options);
  }

  // What is lent of these packets from the far end.
  std::vector<Bytes> LentOf(const Way& way, const std::vector<Bytes>& packets) {
    std::vector<Bytes> frames;
    for (const Bytes& packet : packets) {
      frames.push_back(Inbound(packet, way.type));
    }
    frames.push_back(Inbound(way.last, way.type));
    far_->Send(frames);
    std::vector<Bytes> lent;
    while (true) {
      const auto received = rx().Receive(kLong);
      EXPECT_TRUE(received.ok() && !received->empty());
      if (!received.ok() || received->empty()) return lent;
      for (const RxFrame& frame : *received) {
        Bytes packet(frame.bytes.begin(), frame.bytes.end());
        if (packet == way.last) return lent;
        lent.push_back(std::move(packet));
      }
    }
  }

  // Packets with each set of flags, to each port.
  static std::vector<Bytes> Segments(const Way& way, bool answers) {
    std::vector<Bytes> packets;
    for (unsigned flags = 0; flags < 256; ++flags) {
      for (const unsigned port : {0U, 22U, 1023U, 1024U, 40'000U, 65'535U}) {
        const bool refuses = (flags & kTcpReset) != 0;
        const bool accepts = (flags & kTcpSyn) != 0 && (flags & kTcpAck) != 0;
        if (answers != (port >= 1024 && (refuses || accepts))) continue;
        packets.push_back(
            PacketAround(way.far, way.near, kProtocolTcp,
                         TcpSegment(80, static_cast<uint16_t>(port),
                                    static_cast<uint8_t>(flags))));
      }
    }
    return packets;
  }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AnswersTest);
INSTANTIATE_TEST_SUITE_P(All, AnswersTest, testing::ValuesIn(BackendsOnWire()),
                         NameOfBackend);

TEST_P(AnswersTest, LendWhatTcpAnswersAndNothingElseOfIt) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Way way = Over(family);
    OpenOver(family);
    EXPECT_EQ(LentOf(way, Segments(way, true)), Segments(way, true));
    EXPECT_EQ(LentOf(way, Segments(way, false)), std::vector<Bytes>());
    // To another address, and of another protocol.
    const Bytes reset = TcpSegment(80, kPort, kTcpReset);
    const IpAddress other = family == Family::kIpv4 ? kTarget : kTarget6;
    EXPECT_EQ(
        LentOf(way, {PacketAround(way.far, other, kProtocolTcp, reset),
                     PacketAround(way.far, way.near, kProtocolUdp, reset)}),
        std::vector<Bytes>());
  }
}

TEST_P(AnswersTest, LeaveTcpAloneWhereItCannotAnswer) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Way way = Over(family);
    OpenOver(family, false);
    EXPECT_EQ(LentOf(way, Segments(way, true)), std::vector<Bytes>());
  }
}

TEST_P(AnswersTest, OfIpv6AreEchoRepliesAndErrors) {
  const Way way = Over(Family::kIpv6);
  OpenOver(Family::kIpv6);
  EXPECT_EQ(backend_->source(), kNear6);
  EXPECT_EQ(backend_->Describe(),
            "veth0, fd00::2, gateway fd00::1 at 02:00:00:00:00:01");
  const EthernetHeader expected = {
      {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, kEtherTypeIpv6};
  ASSERT_EQ(backend_->link_header().size(), sizeof expected);
  EXPECT_EQ(
      std::memcmp(backend_->link_header().data(), &expected, sizeof expected),
      0);
  std::vector<Bytes> answers;
  std::vector<Bytes> others;
  for (unsigned type = 0; type < 256; ++type) {
    const Bytes packet = Icmpv6Error(kFar6, kNear6, static_cast<uint8_t>(type));
    const bool error = type == 1 || type == 3 || type == 4;
    (error || type == 129 ? answers : others).push_back(packet);
  }
  EXPECT_EQ(LentOf(way, answers), answers);
  const Bytes good = answers[0];
  // Each byte of our address counts, and the version, and what comes next.
  for (size_t at = offsetof(Ipv6Header, destination_high);
       at < sizeof(Ipv6Header); ++at) {
    others.push_back(good);
    others.back()[at] ^= std::byte{1};
  }
  others.push_back(good);
  others.back()[0] = std::byte{0x45};
  for (const uint8_t next : {0, 1, 43, 44, 60}) {
    others.push_back(good);
    others.back()[offsetof(Ipv6Header, next_header)] = std::byte(next);
  }
  others.emplace_back(good.begin(), good.begin() + sizeof(Ipv6Header));
  EXPECT_EQ(LentOf(way, others), std::vector<Bytes>());
}

// IPv4 packets are no answers over IPv6, nor the other way round.
TEST_P(AnswersTest, AreOfOneFamily) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Way way = Over(family);
    const Way other =
        Over(family == Family::kIpv4 ? Family::kIpv6 : Family::kIpv4);
    OpenOver(family);
    far_->Send({Inbound(other.last, other.type), Inbound(other.last, way.type),
                Inbound(way.last, other.type)});
    EXPECT_EQ(LentOf(way, {}), std::vector<Bytes>());
  }
}

// Of the far kernel, over both families.
TEST_P(AnswersTest, OfRealHostsAreHeard) {
  ASSERT_TRUE(netns_->CheckIsolated().ok()) << netns_->CheckIsolated();
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Way way = Over(family);
    OpenOver(family);
    Send({Concat(backend_->link_header(),
                 PacketAround(way.near, way.far, kProtocolTcp,
                              TcpSegment(kPort, 7, kTcpSyn)))},
         1);
    auto frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
    const size_t at =
        family == Family::kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
    const auto tcp = Load<TcpHeader>(frames->front().bytes.subspan(at));
    EXPECT_EQ(tcp.flags, kTcpReset | kTcpAck);
    EXPECT_EQ(tcp.acknowledgment, 0x11223345U);
    if (family == Family::kIpv4) continue;
    const Bytes request = {
        std::byte{kIcmpv6EchoRequest}, {}, {}, {}, {}, {}, {}, {}};
    Send({Concat(backend_->link_header(),
                 PacketAround(way.near, way.far, kProtocolIcmpv6, request))},
         1);
    frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
    EXPECT_EQ(frames->front().bytes[at], std::byte{kIcmpv6EchoReply});
  }
}

// No half-open connection is left at a target: our kernel resets it.
TEST_P(AnswersTest, OfTcpReachTheKernelToo) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Way way = Over(family);
    OpenOver(family);
    const Bytes accepts =
        PacketAround(way.far, way.near, kProtocolTcp,
                     TcpSegment(80, kPort, kTcpSyn | kTcpAck));
    ASSERT_EQ(LentOf(way, {accepts}), std::vector<Bytes>({accepts}));
    const size_t at =
        sizeof(EthernetHeader) +
        (family == Family::kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
    while (true) {
      const auto frame = far_->Hear(way.type);
      ASSERT_TRUE(frame.has_value());
      if (frame->size() < at + sizeof(TcpHeader)) continue;
      const auto tcp = Load<TcpHeader>(std::span(*frame).subspan(at));
      if (tcp.source_port != kPort || tcp.destination_port != 80) continue;
      EXPECT_EQ(tcp.flags, kTcpReset);
      break;
    }
  }
}

}  // namespace
}  // namespace fathom
