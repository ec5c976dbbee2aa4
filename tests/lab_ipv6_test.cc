#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "src/lab/ipv6.h"
#include "tests/lab_testing.h"

// The lab over IPv6 against itself over IPv4. Packets are made and read by
// hand.

namespace fathom::lab {
namespace {

constexpr size_t kIpv4 = 20, kIpv6 = 40;

// fd00:0:aa:bbcc::d, for a.b.c.d.
void PutAddress(Packet& packet, size_t at, uint32_t address) {
  packet[at] = std::byte{0xfd};
  Put(packet, at + 4, address >> 24);
  Put(packet, at + 6, address >> 8);
  packet[at + 15] = std::byte(address & 0xff);
}

uint32_t NameAt(std::span<const std::byte> packet, size_t at) {
  return Word(packet, at + 4) << 24 | Word(packet, at + 6) << 8 |
         Byte(packet, at + 15);
}

// The sum of a transport with its pseudo-header, as RFC 8200 has it.
uint32_t FullSum(std::span<const std::byte> packet) {
  Packet whole(packet.begin() + 8, packet.end());
  Packet tail(8);
  Put(tail, 2, static_cast<uint32_t>(packet.size() - kIpv6));
  tail[7] = packet[6];
  // An odd length would shift the tail.
  if (whole.size() % 2 != 0) whole.push_back(std::byte{0});
  whole.insert(whole.end(), tail.begin(), tail.end());
  return Sum(whole);
}

// The same question over IPv6.
Packet Translate(const Packet& ipv4, uint32_t flow_label = 0) {
  Packet packet(kIpv6 + ipv4.size() - kIpv4);
  packet[0] = std::byte{0x60};
  packet[1] = std::byte(flow_label >> 16 & 0xf);
  Put(packet, 2, flow_label);
  Put(packet, 4, static_cast<uint32_t>(ipv4.size() - kIpv4));
  const uint8_t protocol = Byte(ipv4, 9);
  packet[6] = std::byte(protocol == 1 ? 58 : protocol);
  packet[7] = ipv4[8];
  PutAddress(packet, 8, Address(ipv4, 12));
  PutAddress(packet, 24, Address(ipv4, 16));
  std::copy(ipv4.begin() + kIpv4, ipv4.end(), packet.begin() + kIpv6);
  if (protocol == 1) packet[kIpv6] = std::byte{128};
  const size_t sum = kIpv6 + (protocol == 1 ? 2 : protocol == 17 ? 6 : 16);
  Put(packet, sum, 0);
  Put(packet, sum, ~FullSum(packet));
  return packet;
}

Scenario WithoutChance() {
  Scenario scenario = Clean();
  scenario.diamonds = {};
  scenario.long_quotes = 0;
  return scenario;
}

TEST(LabIpv6, NamesAreOneToOne) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto address = static_cast<uint32_t>(random());
    const IpAddress name = ToIpv6(address);
    ASSERT_EQ(FromIpv6(name), address);
    // Others of the /64 are alike to those that end as they do.
    ASSERT_EQ(FromIpv6(IpAddress::V6(
                  name.high(), name.low() | (random() & ~uint64_t{0xff}))),
              address);
  }
  EXPECT_EQ(ToIpv6(0xc6120001).ToString(), "fd00:0:c6:1200::1");
  EXPECT_EQ(FromIpv6(*IpAddress::Parse("2001:db8::1")), 0U);
}

// What is asked over either family, and what must come back.
struct Asked {
  const char* name;
  Packet (*make)(uint32_t target, uint8_t ttl);
};

const Asked kAsked[] = {
    {"echo", [](uint32_t target,
                uint8_t ttl) { return Make({.target = target, .ttl = ttl}); }},
    {"UDP", [](uint32_t target,
               uint8_t ttl) { return MakeSegment(target, ttl, 17, 0); }},
    {"SYN", [](uint32_t target,
               uint8_t ttl) { return MakeSegment(target, ttl, 6, 0x02); }},
    {"ACK", [](uint32_t target,
               uint8_t ttl) { return MakeSegment(target, ttl, 6, 0x10); }},
};

TEST(LabIpv6, AnswersAsOverIpv4) {
  const Scenario scenario = WithoutChance();
  const auto targets = Targets(scenario);
  int errors = 0, hosts = 0;
  for (const Asked& asked : kAsked) {
    for (size_t i = 0; i < targets.size(); i += 7) {
      for (const uint8_t ttl : {1, 3, 5, 8, 60}) {
        const Packet sent4 = asked.make(targets[i], ttl);
        const Packet sent6 = Translate(sent4);
        const Packet four = Ask(scenario, sent4);
        const Packet six = Ask(scenario, sent6);
        ASSERT_EQ(four.empty(), six.empty()) << asked.name << ' ' << int{ttl};
        if (six.empty()) continue;
        ASSERT_EQ(Byte(six, 0), 0x60);
        ASSERT_EQ(Word(six, 4), six.size() - kIpv6);
        ASSERT_EQ(FullSum(six), 0xffffU);
        ASSERT_EQ(NameAt(six, 8), Address(four, 12));
        ASSERT_EQ(NameAt(six, 24), kSource);
        ASSERT_EQ(Byte(six, 7), Byte(four, 8));  // The TTL on arrival.
        if (Byte(four, 9) == 6) {
          ++hosts;
          // But for the checksum, and the sequence number a host draws.
          ASSERT_TRUE(std::equal(six.begin() + kIpv6, six.begin() + kIpv6 + 4,
                                 four.begin() + kIpv4));
          ASSERT_EQ(Byte(six, kIpv6 + 13), Byte(four, kIpv4 + 13));
          ASSERT_EQ(Address(six, kIpv6 + 8), Address(four, kIpv4 + 8));
          continue;
        }
        ASSERT_EQ(Byte(six, 6), 58);
        const int type = Byte(four, kIpv4);
        ASSERT_EQ(Byte(six, kIpv6), type == 11 ? 3 : type == 3 ? 1 : 129);
        if (type == 0) {
          ++hosts;
          ASSERT_TRUE(std::equal(six.begin() + kIpv6 + 4, six.end(),
                                 sent6.begin() + kIpv6 + 4, sent6.end()));
          continue;
        }
        // The error quotes all of the probe, but for its TTL.
        ++errors;
        Packet quote(six.begin() + kIpv6 + 8, six.end());
        ASSERT_EQ(quote.size(), sent6.size());
        ASSERT_EQ(Byte(quote, 7), Byte(four, kIpv4 + 8 + 8));
        quote[7] = sent6[7];
        ASSERT_EQ(quote, sent6);
        if (type == 3 && Byte(four, kIpv4 + 1) == 3) {
          ASSERT_EQ(Byte(six, kIpv6 + 1), 4);  // Port unreachable.
        }
      }
    }
  }
  EXPECT_GT(errors, 100);
  EXPECT_GT(hosts, 100);
}

TEST(LabIpv6, HostsAnswerUnderTheNameTheyWereAskedBy) {
  const Scenario scenario = WithoutChance();
  int answers = 0;
  for (const uint32_t target : Targets(scenario)) {
    Packet probe = Translate(Make({.target = target, .ttl = 60}));
    probe[34] = std::byte{0xab};  // Another address of the /64.
    Put(probe, kIpv6 + 2, 0);
    Put(probe, kIpv6 + 2, ~FullSum(probe));
    const Packet reply = Ask(scenario, probe);
    if (reply.empty() || Byte(reply, kIpv6) != 129) continue;
    ++answers;
    ASSERT_TRUE(
        std::equal(reply.begin() + 8, reply.begin() + 24, probe.begin() + 24));
  }
  EXPECT_GT(answers, 10);
}

TEST(LabIpv6, LabelsFollowAPaddedQuote) {
  Scenario scenario = Clean();
  scenario.diamonds = {};
  scenario.tunnels = 1;
  int compliant = 0, odd = 0;
  for (const uint32_t target : Targets(scenario)) {
    for (uint8_t ttl = 1; ttl < 16; ++ttl) {
      const Packet reply =
          Ask(scenario, Translate(Make({.target = target, .ttl = ttl})));
      // With the extensions it is longer than any probe.
      if (reply.size() != kIpv6 + 8 + 128 + 12) continue;
      const uint8_t length = Byte(reply, kIpv6 + 4);
      ASSERT_TRUE(length == 0 || length == 128 / 8);
      ++(length == 0 ? odd : compliant);
      const auto extensions = std::span(reply).subspan(kIpv6 + 8 + 128);
      ASSERT_EQ(Byte(extensions, 0), 0x20);
      ASSERT_EQ(Sum(extensions), 0xffffU);
      ASSERT_EQ(Address(extensions, 4), 0x0008'0101U);
    }
  }
  EXPECT_GT(compliant, 10);
  EXPECT_GT(odd, 10);
}

TEST(LabIpv6, FlowLabelsChooseBranches) {
  const Scenario scenario = Clean();
  for (const uint32_t target : Targets(scenario)) {
    for (uint8_t ttl = 2; ttl < 12; ++ttl) {
      std::set<uint32_t> responders;
      for (uint32_t label = 0; label < 8; ++label) {
        const Packet reply = Ask(
            scenario, Translate(Make({.target = target, .ttl = ttl}), label));
        if (!reply.empty()) responders.insert(NameAt(reply, 8));
      }
      if (responders.size() > 1) return;
    }
  }
  FAIL() << "no balancer on any path";
}

TEST(LabIpv6, SurvivesEveryTruncation) {
  const Scenario scenario = WithoutChance();
  const Packet whole = Translate(MakeSegment(Targets(scenario)[0], 3, 6, 0x02));
  for (size_t size = 0; size < whole.size(); ++size) {
    // At its exact size, so that a sanitizer sees any overrun.
    const Packet cut(whole.begin(), whole.begin() + static_cast<long>(size));
    EXPECT_TRUE(Ask(scenario, cut).empty()) << size;
  }
  EXPECT_FALSE(Ask(scenario, whole).empty());
}

}  // namespace
}  // namespace fathom::lab
