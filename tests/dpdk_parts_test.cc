// The parts of the dpdk backend that need no DPDK.
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "backends/answer_filter.h"
#include "backends/arp.h"
#include "backends/dpdk_device.h"
#include "src/base/bytes.h"
#include "tests/wire_end.h"

namespace fathom {
namespace {

constexpr IpAddress kHere = IpAddress::V4(0x0a000002);   // 10.0.0.2
constexpr IpAddress kThere = IpAddress::V4(0x0a000001);  // 10.0.0.1

TEST(DpdkDevice, ReadsWhatUsersCallPorts) {
  auto device = ParseDpdkDevice("net_af_packet0,iface=eth0,blocksz=4096");
  ASSERT_TRUE(device.ok());
  EXPECT_FALSE(device->pci);
  EXPECT_EQ(device->name, "net_af_packet0");
  EXPECT_EQ(device->driver(), "net_af_packet");
  EXPECT_EQ(device->Find("iface"), "eth0");
  EXPECT_EQ(device->Find("ifac"), std::nullopt);
  device->AddUnlessGiven("blocksz", 1);
  device->AddUnlessGiven("qpairs", 2);
  EXPECT_EQ(device->arguments, "iface=eth0,blocksz=4096,qpairs=2");

  for (const char* name : {"0000:3b:00.0", "3b:00.0"}) {
    const auto card = ParseDpdkDevice(name);
    ASSERT_TRUE(card.ok());
    EXPECT_TRUE(card->pci);
    EXPECT_EQ(card->name, "0000:3b:00.0");
    EXPECT_EQ(card->driver(), "");
  }
  for (const char* name :
       {"", "eth0", "veth0", "3b", ",iface=x", "a:b", "3b:00", "12345:3b:00.0",
        "3b:00.0.1", "0000:3g:00.0"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseDpdkDevice(name).status()))
        << name;
  }
  EXPECT_EQ(ParseDpdkDevice("eno1").status().message(),
            "dpdk: eno1 is neither the PCI address of a card nor a virtual "
            "device; an interface of the kernel is net_af_packet0,iface=eno1");
}

TEST(Arp, IsAnsweredToWhoeverAsksForUs) {
  const ArpHost self = {.mac = {2, 0, 0, 0, 0, 2}, .address = kHere};
  const ArpHost other = {.mac = {2, 0, 0, 0, 0, 1}, .address = kThere};
  const ArpFrame request = MakeArpRequest(other, kHere);
  const auto bytes = std::as_bytes(std::span(&request, 1));
  const auto answer = AnswerArp(bytes, self);
  ASSERT_TRUE(answer.has_value());
  const auto answer_bytes = std::as_bytes(std::span(&*answer, 1));
  EXPECT_EQ(ReadArp(answer_bytes, kHere), self.mac);
  EXPECT_EQ(0, std::memcmp(answer->ethernet.destination, other.mac.data(), 6));
  EXPECT_EQ(IpAddress::V4(answer->target), kThere);
  // To nobody else, for nobody else, and not to answers.
  EXPECT_FALSE(AnswerArp(bytes, other).has_value());
  EXPECT_FALSE(AnswerArp(answer_bytes, self).has_value());
  EXPECT_FALSE(ReadArp(answer_bytes, kThere).has_value());
  EXPECT_FALSE(ReadArp(bytes, kThere).has_value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(AnswerArp(bytes.first(size), self).has_value());
    EXPECT_FALSE(ReadArp(answer_bytes.first(size), kHere).has_value());
  }
}

TEST(AnswerFilter, SurvivesEveryTruncationAndEveryHeaderLength) {
  const MacAddress mac = {2, 0, 0, 0, 0, 2};
  const AnswerFilter filter(mac, kHere, true);
  const EthernetHeader header = {
      {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}, kEtherTypeIpv4};
  const Bytes whole = Concat(std::as_bytes(std::span(&header, 1)),
                             IcmpPacket(kThere, kHere, kIcmpTimeExceeded, 1));
  for (size_t size = 0; size <= whole.size(); ++size) {
    for (int words = 0; words < 16; ++words) {
      // Of just this size, so that a sanitizer sees what is read beyond.
      Bytes frame(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      if (size > sizeof header) frame[sizeof header] = std::byte(0x40 + words);
      const auto packet = filter.PacketIn(frame);
      if (words == 5) {
        EXPECT_EQ(!packet.empty(), size > sizeof header + sizeof(Ipv4Header));
      }
    }
  }
}

}  // namespace
}  // namespace fathom
