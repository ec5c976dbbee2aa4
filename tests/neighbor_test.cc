#include "src/net/neighbor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/unique_fd.h"
#include "src/net/netlink.h"
#include "tests/netns.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

constexpr IpAddress Ip(uint32_t last) { return IpAddress::V4(last); }
constexpr IpAddress kNear = Ip(0x0a000002);
constexpr IpAddress kGateway = Ip(0x0a000001);
constexpr IpAddress kFarAway = Ip(0xc6120001);  // 198.18.0.1

TEST(Mac, PrintsWhatItRead) {
  for (const char* text : {"02:00:00:00:00:01", "ff:ee:dd:cc:bb:a9"}) {
    const auto mac = ParseMac(text);
    ASSERT_TRUE(mac) << text;
    EXPECT_EQ(MacToString(*mac), text);
  }
  EXPECT_EQ(ParseMac("AB:CD:EF:00:11:22"), ParseMac("ab:cd:ef:00:11:22"));
}

TEST(Mac, RefusesWhatIsNotAMac) {
  for (const char* text :
       {"", "02:00:00:00:00", "02:00:00:00:00:01:", "02-00-00-00-00-01",
        "02:00:00:00:00:0g", "2:0:0:0:0:1", "020000000001"}) {
    EXPECT_FALSE(ParseMac(text)) << text;
  }
}

// A walk that trusts a length from the bytes leaves them; with a sanitizer it
// is caught in the act, without one by the place it returns.
TEST(Attributes, AreNeverFoundOutsideTheBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 40);
    // Small numbers, so that lengths and types are often plausible.
    for (std::byte& byte : bytes)
      byte = std::byte(random() % 3 * (random() % 9));
    for (uint16_t attribute = 0; attribute < 20; ++attribute) {
      const auto found = FindAttribute(bytes, attribute);
      if (!found) continue;
      EXPECT_GE(found->data(), bytes.data());
      EXPECT_LE(found->data() + found->size(), bytes.data() + bytes.size());
    }
  }
}

TEST(Attributes, AreAllFoundInARequest) {
  NetlinkRequest request(RTM_GETLINK, 0, ifinfomsg{});
  for (uint16_t attribute = 1; attribute < 30; ++attribute) {
    request.Add(attribute,
                std::vector<std::byte>(attribute % 7, std::byte(attribute)));
  }
  const auto bytes = request.Finish(1);
  ASSERT_EQ(Load<nlmsghdr>(bytes).nlmsg_len, bytes.size());
  const auto attributes = bytes.subspan(sizeof(nlmsghdr) + sizeof(ifinfomsg));
  for (uint16_t attribute = 1; attribute < 30; ++attribute) {
    const auto found = FindAttribute(attributes, attribute);
    ASSERT_TRUE(found) << attribute;
    EXPECT_EQ(found->size(), attribute % 7);
    for (const std::byte byte : *found) EXPECT_EQ(byte, std::byte(attribute));
  }
}

class NeighborTest : public testing::Test {
 protected:
  void SetUp() override {
    auto netns = Netns::Make();
    if (absl::IsPermissionDenied(netns.status())) {
      GTEST_SKIP() << netns.status();
    }
    ASSERT_TRUE(netns.ok()) << netns.status();
    netns_.emplace(*std::move(netns));
  }

  // veth0 (10.0.0.2) here, peer0 (10.0.0.1, a known MAC) on the far side.
  void AddPeer() {
    ASSERT_TRUE(
        netns_->AddVeth("veth0", "10.0.0.2/24", "peer0", "10.0.0.1/24").ok());
    Far("link set peer0 address 02:00:00:00:00:01");
    ASSERT_TRUE(netns_->CheckIsolated().ok()) << netns_->CheckIsolated();
  }

  void Near(const std::string& arguments) {
    ASSERT_TRUE(netns_->Ip(arguments).ok()) << arguments;
  }
  void Far(const std::string& arguments) {
    ASSERT_TRUE(netns_->FarIp(arguments).ok()) << arguments;
  }

  std::optional<Netns> netns_;
};

TEST_F(NeighborTest, NamespaceIsIsolated) {
  EXPECT_TRUE(netns_->CheckIsolated().ok()) << netns_->CheckIsolated();
  AddPeer();
  netns_->OnFarSide([&] { EXPECT_TRUE(netns_->IsIsolated()); });
}

TEST_F(NeighborTest, AVethToElsewhereIsNotIsolated) {
  AddPeer();
  auto other = Netns::Make();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(netns_->IsIsolated());  // The thread stands elsewhere.
  // Through the descriptor, a way from `other` to a side of the first pair.
  ASSERT_TRUE(other->Ip("link add wall type veth peer name hole").ok());
  EXPECT_TRUE(other->IsIsolated());
  UniqueFd first;
  {
    Netns third = *Netns::Make();
    first = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY));
    ASSERT_TRUE(first.valid());
  }
  ASSERT_TRUE(other
                  ->Ip("link set hole netns /proc/" + std::to_string(getpid()) +
                       "/fd/" + std::to_string(first.get()))
                  .ok());
  EXPECT_FALSE(other->IsIsolated());
}

TEST_F(NeighborTest, FindsARouteThroughAGateway) {
  AddPeer();
  Near("route add default via 10.0.0.1");
  const auto way = FindWayOut({.toward = kFarAway});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->interface.name, "veth0");
  EXPECT_EQ(way->interface.driver, "veth");
  EXPECT_EQ(way->interface.mtu, 1500U);
  EXPECT_EQ(way->source, kNear);
  EXPECT_EQ(way->next_hop, kGateway);
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:01");
  EXPECT_NE(way->interface.mac, MacAddress{});
}

TEST_F(NeighborTest, TakesAnOnLinkTargetForTheNextHop) {
  AddPeer();
  const auto way = FindWayOut({.toward = kGateway});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->next_hop, kGateway);
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:01");
}

TEST_F(NeighborTest, PrefersWhatIsGiven) {
  AddPeer();
  ASSERT_TRUE(netns_->AddVeth("veth1", "10.9.0.2/24", "peer1", "").ok());
  Near("route add default via 10.0.0.1");
  const auto way = FindWayOut({.toward = kFarAway,
                               .device = "veth1",
                               .source = Ip(0x0a090077),
                               .gateway = Ip(0x0a090001),
                               .gateway_mac = "02:00:00:00:00:77"});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->interface.name, "veth1");
  EXPECT_EQ(way->source, Ip(0x0a090077));
  EXPECT_EQ(way->next_hop, Ip(0x0a090001));
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:77");
}

TEST_F(NeighborTest, FindsTheInterfaceByTheGatewayGiven) {
  AddPeer();
  const auto way = FindWayOut({.toward = kFarAway, .gateway = kGateway});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->interface.name, "veth0");
  EXPECT_EQ(way->source, kNear);
}

TEST_F(NeighborTest, ReadsAStaticEntryWithoutAsking) {
  AddPeer();
  Near("neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev veth0 nud permanent");
  Near("route add default via 10.0.0.9");
  const auto way = FindWayOut({.toward = kFarAway, .patience = Nanos(1)});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:99");
}

TEST_F(NeighborTest, FindsAnIpv6GatewayOfAnIpv4Route) {
  AddPeer();
  Near("addr add fd00::2/64 dev veth0 nodad");
  Near("-6 neigh add fd00::1 lladdr 02:00:00:00:00:66 dev veth0 nud permanent");
  Near("route add 198.18.0.0/15 via inet6 fd00::1 dev veth0");
  const auto way = FindWayOut({.toward = kFarAway});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->next_hop, IpAddress::Parse("fd00::1"));
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:66");
}

TEST_F(NeighborTest, SaysThatThereIsNoRoute) {
  AddPeer();
  const auto way = FindWayOut({.toward = Ip(0x0a010203)});
  EXPECT_EQ(way.status().message(), "no route to 10.1.2.3");
  Near("route add prohibit 10.1.2.3");
  EXPECT_EQ(FindWayOut({.toward = Ip(0x0a010203)}).status().message(),
            "no route to 10.1.2.3: Permission denied");
}

TEST_F(NeighborTest, SaysThatThereIsNoSuchInterface) {
  for (const char* name :
       {"veth9", "a-name-longer-than-any-interface-has", "%"}) {
    const auto found = FindWayOut({.toward = kFarAway, .device = name});
    EXPECT_TRUE(absl::IsNotFound(found.status())) << found.status();
    EXPECT_EQ(found.status().message(),
              std::string("interface ") + name + ": no such device");
  }
  EXPECT_TRUE(absl::IsNotFound(FindInterface(4711).status()));
}

TEST_F(NeighborTest, SaysThatAnInterfaceIsDown) {
  AddPeer();
  Far("link set peer0 down");
  const WayOutOptions options = {.toward = kGateway, .device = "veth0"};
  EXPECT_EQ(FindWayOut(options).status().message(),
            "interface veth0 has no carrier");
  Near("link set veth0 down");
  EXPECT_EQ(FindWayOut(options).status().message(), "interface veth0 is down");
}

TEST_F(NeighborTest, SaysThatAGatewayIsSilent) {
  AddPeer();
  Near("route add default via 10.0.0.7");
  WayOutOptions options = {.toward = kFarAway, .patience = milliseconds(30)};
  EXPECT_EQ(FindWayOut(options).status().message(),
            "gateway 10.0.0.7 does not answer ARP on veth0; "
            "give --gateway-mac");
  options.toward = Ip(0x0a000008);
  EXPECT_EQ(FindWayOut(options).status().message(),
            "on-link target 10.0.0.8 does not answer ARP on veth0; "
            "give --gateway");
}

TEST_F(NeighborTest, RefusesWhatIsNoMacAndNoTarget) {
  AddPeer();
  EXPECT_TRUE(absl::IsInvalidArgument(
      FindWayOut({.toward = kGateway, .gateway_mac = "02:00"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FindWayOut({}).status()));
}

// The same over IPv6: fd00::2 here, fd00::1 on the far side.
class Neighbor6Test : public NeighborTest {
 protected:
  void SetUp() override {
    NeighborTest::SetUp();
    if (!netns_) return;  // Skipped, or failed.
    AddPeer();
    Near("link set veth0 addrgenmode eui64");
    Near("addr add fe80::2/64 dev veth0 nodad");
    Near("addr add fd00::2/64 dev veth0 nodad");
    Far("addr add fe80::1/64 dev peer0 nodad");
    Far("addr add fd00::1/64 dev peer0 nodad");
  }

  const IpAddress near_ = *IpAddress::Parse("fd00::2");
  const IpAddress gateway_ = *IpAddress::Parse("fd00::1");
  const IpAddress far_away_ = *IpAddress::Parse("fd00:1::1");
};

// By neighbour discovery of the two kernels.
TEST_F(Neighbor6Test, FindsARouteThroughAGateway) {
  Near("route add default via fd00::1");
  const auto way = FindWayOut({.toward = far_away_});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->interface.name, "veth0");
  EXPECT_EQ(way->source, near_);
  EXPECT_EQ(way->next_hop, gateway_);
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:01");
}

// As routers announce themselves.
TEST_F(Neighbor6Test, FindsARouteThroughALinkLocalGateway) {
  Near("route add default via fe80::1 dev veth0");
  const auto way = FindWayOut({.toward = far_away_});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->source, near_);
  EXPECT_EQ(way->next_hop, IpAddress::Parse("fe80::1"));
  EXPECT_EQ(MacToString(way->next_hop_mac), "02:00:00:00:00:01");
}

// Probes from a link-local address would go nowhere.
TEST_F(Neighbor6Test, TakesAGlobalSourceWhateverTheGateway) {
  for (const char* const gateway : {"fe80::1", "fd00::1"}) {
    const auto way = FindWayOut({.toward = far_away_,
                                 .device = "veth0",
                                 .gateway = IpAddress::Parse(gateway)});
    ASSERT_TRUE(way.ok()) << way.status();
    EXPECT_EQ(way->source, near_);
    EXPECT_EQ(way->next_hop, IpAddress::Parse(gateway));
  }
}

TEST_F(Neighbor6Test, TakesAnOnLinkTargetForTheNextHop) {
  const auto way = FindWayOut({.toward = gateway_});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->next_hop, gateway_);
  EXPECT_EQ(way->source, near_);
}

TEST_F(Neighbor6Test, SaysThatThereIsNoAddressOrRoute) {
  EXPECT_EQ(FindWayOut({.toward = far_away_}).status().message(),
            "no route to fd00:1::1");
  Near("addr del fd00::2/64 dev veth0");
  EXPECT_EQ(FindWayOut({.toward = far_away_,
                        .device = "veth0",
                        .gateway = IpAddress::Parse("fe80::1")})
                .status()
                .message(),
            "interface veth0 has no global IPv6 address; give one (--source)");
  EXPECT_EQ(FindWayOut({.toward = far_away_,
                        .device = "veth0",
                        .source = kNear,
                        .gateway = IpAddress::Parse("fe80::1")})
                .status()
                .message(),
            "source 10.0.0.2: the targets are IPv6");
}

TEST_F(Neighbor6Test, SaysThatAGatewayIsSilent) {
  Near("route add default via fd00::7");
  EXPECT_EQ(FindWayOut({.toward = far_away_, .patience = milliseconds(30)})
                .status()
                .message(),
            "gateway fd00::7 does not answer ND on veth0; give --gateway-mac");
}

TEST_F(NeighborTest, NeedsNoNeighborOnLoopback) {
  const auto way = FindWayOut({.toward = Ip(0x7f000001)});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_TRUE(way->interface.loopback);
  EXPECT_EQ(way->interface.link_layer, LinkLayer::kEthernet);
  EXPECT_EQ(way->next_hop, std::nullopt);
  EXPECT_EQ(way->next_hop_mac, MacAddress{});
}

TEST_F(NeighborTest, KnowsThatATunHasNoLinkHeader) {
  const UniqueFd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tun.valid()) GTEST_SKIP() << "no /dev/net/tun";
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strcpy(request.ifr_name, "tun0");
  ASSERT_EQ(ioctl(tun.get(), TUNSETIFF, &request), 0);
  Near("link set tun0 addrgenmode none");
  Near("link set tun0 up");
  Near("addr add 10.2.0.2/24 dev tun0");
  const auto way = FindWayOut({.toward = Ip(0x0a020001)});
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->interface.name, "tun0");
  EXPECT_EQ(way->interface.driver, "tun");
  EXPECT_EQ(way->interface.link_layer, LinkLayer::kNone);
  EXPECT_EQ(way->next_hop, std::nullopt);
  EXPECT_EQ(way->source, Ip(0x0a020002));
}

}  // namespace
}  // namespace fathom
