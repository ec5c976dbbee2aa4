#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "src/lab/network.h"
#include "src/lab/reply.h"
#include "tests/lab_testing.h"

namespace fathom::lab {
namespace {

TEST(Reply, EveryReplyIsWellFormed) {
  Recorder recorder;
  Network network(Lively(), &recorder);
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    network.Send(kStart + Nanos(i * 100'000LL),
                 RandomProbe(random, 0x04040000, 1 << 14));
  }
  std::set<std::pair<int, int>> kinds;
  for (const Recorder::Record& record : recorder.records) {
    ASSERT_EQ(HasReply(record.fate), !record.reply.empty());
    if (record.reply.empty() || record.fate == Fate::kTcpAnswer) continue;
    const ReadReply reply = Read(record.reply);
    if (record.fate == Fate::kTruncated) {
      // Less than all; perhaps not even the length is there.
      ASSERT_NE(reply.error, "");
      continue;
    }
    ASSERT_EQ(reply.error, "");
    ASSERT_EQ(reply.source, record.responder);
    ASSERT_EQ(reply.destination, Address(record.probe, 12));
    kinds.emplace(reply.type, reply.code);
  }
  EXPECT_EQ(
      kinds,
      (std::set<std::pair<int, int>>{
          {0, 0}, {3, 0}, {3, 1}, {3, 3}, {3, 9}, {3, 10}, {3, 13}, {11, 0}}));
}

TEST(Reply, QuotesTheProbeAsItCame) {
  Recorder recorder;
  Network network(Lively(), &recorder);
  const Behaviour behaviour(Lively());
  std::mt19937_64 random(2);
  for (int i = 0; i < 50'000; ++i) {
    network.Send(kStart + Nanos(i * 100'000LL),
                 RandomProbe(random, 0x04040000, 1 << 14));
  }
  std::set<size_t> lengths;
  size_t rewritten = 0;
  for (const Recorder::Record& record : recorder.records) {
    if (record.reply.empty() || record.fate == Fate::kEchoReply ||
        record.fate == Fate::kTcpAnswer || record.fate == Fate::kTruncated) {
      continue;
    }
    const ReadReply reply = Read(record.reply);
    const size_t header = (Byte(record.probe, 0) & 0xfU) * 4;
    const size_t total = Word(record.probe, 2);
    const bool host = record.fate == Fate::kPortUnreachable;
    const RouterTraits router =
        host ? RouterTraits{} : behaviour.Router(record.responder);
    const size_t wanted = std::max<size_t>(header + 8, router.quotes);
    auto quote = reply.rest;
    if (quote.size() == 128 + 12) {  // Labels follow.
      quote = quote.first(std::min({total, wanted, size_t{128}}));
    }
    ASSERT_EQ(quote.size(), std::min({total, wanted, size_t{576 - 28}}));
    lengths.insert(quote.size());
    const int sent_ttl = Byte(record.probe, 8);
    const int quoted_ttl = Byte(quote, 8);
    if (router.odd_quoted_ttl) {
      ASSERT_EQ(quoted_ttl, 64);
    } else {
      ASSERT_GE(quoted_ttl, 1);
      ASSERT_LE(quoted_ttl, sent_ttl);
    }
    // All but TTL, checksum and what the router rewrites is as it was sent.
    Packet back(quote.begin(), quote.end());
    const auto restore = [&](size_t first, size_t count) {
      std::copy_n(record.probe.begin() + static_cast<long>(first), count,
                  back.begin() + static_cast<long>(first));
    };
    restore(8, 1);
    restore(10, 2);
    const bool changed =
        !std::equal(back.begin(), back.end(), record.probe.begin());
    ASSERT_EQ(changed, router.rewrite != Rewrite::kNone && changed);
    rewritten += changed ? 1 : 0;
    if (router.rewrite == Rewrite::kTarget) restore(16, 4);
    if (router.rewrite == Rewrite::kFlow) {
      restore(header + (Byte(record.probe, 9) == 1 ? 4 : 0), 2);
    }
    if (router.rewrite == Rewrite::kId) restore(4, 2);
    ASSERT_TRUE(std::equal(back.begin(), back.end(), record.probe.begin()));
  }
  EXPECT_GT(lengths.size(), 30U);
  EXPECT_GT(rewritten, 1000U);
}

TEST(Reply, UnreachablesComeFromTheLastRouterAndSayHowFarTheyAre) {
  Scenario scenario = Clean();
  scenario.filtered = {0, 0, 0, 0, 0, 1};
  scenario.prohibited = 1;
  scenario.prohibited_net = scenario.prohibited_host = 0;
  const Truth truth(scenario);
  for (uint32_t target = 0x04040001; target < 0x04050000; target += 2003) {
    const auto hops = truth.topology().RouteTo(target).hops;
    const Packet last = Ask(scenario, Make({.target = target, .ttl = hops}));
    for (uint8_t beyond = 1; beyond < 10; ++beyond) {
      const auto ttl = static_cast<uint8_t>(hops + beyond);
      const Packet bytes = Ask(scenario, Make({.target = target, .ttl = ttl}));
      const ReadReply reply = Read(bytes);
      ASSERT_EQ(reply.error, "");
      ASSERT_EQ(reply.type, 3);
      ASSERT_EQ(reply.code, 13);
      ASSERT_EQ(reply.source, Read(last).source);
      ASSERT_EQ(reply.ttl, Read(last).ttl);
      ASSERT_EQ(Byte(reply.rest, 8), 1 + beyond);
    }
  }
}

TEST(Reply, HostsReturnWhatTheyWereSent) {
  Scenario scenario = Clean();
  scenario.hosts = 1;
  for (size_t payload : {0, 1, 2, 18, 19, 228, 1472}) {
    const Packet probe = Make({.target = 0x04040507,
                               .ttl = 64,
                               .id = 0xabcd,
                               .sequence = 0x1234,
                               .tos = 0x20,
                               .payload = payload});
    const Packet bytes = Ask(scenario, probe);
    const ReadReply reply = Read(bytes);
    ASSERT_EQ(reply.error, "");
    EXPECT_EQ(reply.type, 0);
    EXPECT_EQ(reply.source, 0x04040507U);
    EXPECT_TRUE(std::equal(reply.rest.begin(), reply.rest.end(),
                           probe.begin() + 24, probe.end()));
  }
  // No host sits among the routers.
  EXPECT_TRUE(Ask(scenario, Make({.target = 0x040405ff, .ttl = 64})).empty());
}

// An explicit tunnel, read by hand from the RFCs.
TEST(Reply, TunnelsNameTheirLabels) {
  Scenario scenario = Clean();
  scenario.diamonds = {};
  scenario.tunnels = 1;
  scenario.tunnel_kinds = {1, 0, 0, 0};
  scenario.odd_labels = 0.5;
  const Topology topology(scenario);
  std::map<uint32_t, uint32_t> labels;  // Of each router.
  size_t odd = 0, even = 0;
  for (const uint32_t target : Targets(scenario)) {
    const Route route = topology.RouteTo(target);
    for (uint8_t ttl = 1; ttl <= route.hops; ++ttl) {
      const Packet probe = Make({.target = target, .ttl = ttl});
      const Packet bytes = Ask(scenario, probe);
      const ReadReply reply = Read(bytes);
      ASSERT_EQ(reply.error, "");
      const auto [segment, position] = route.At(ttl);
      const bool inside =
          segment->level > 0 && position > 0 && position + 1 < segment->length;
      ASSERT_EQ(reply.rest.size() == 140, inside);
      if (!inside) {
        ASSERT_EQ(reply.quote_length, 0U);
        ASSERT_EQ(Byte(reply.rest, 8), 1);
        continue;
      }
      // The TTL of the packet stays as it was where the tunnel began.
      ASSERT_EQ(Byte(reply.rest, 8), position);
      ++(reply.quote_length == 0 ? odd : even);
      if (reply.quote_length != 0) {
        ASSERT_EQ(reply.quote_length, 128U);
      }
      const auto padding = reply.rest.subspan(probe.size(), 128 - probe.size());
      ASSERT_TRUE(std::all_of(padding.begin(), padding.end(),
                              [](std::byte b) { return b == std::byte(0); }));
      const auto extension = reply.rest.subspan(128);
      ASSERT_EQ(Word(extension, 0), 0x2000U);
      ASSERT_EQ(Sum(extension), 0xffffU);
      ASSERT_EQ(Address(extension, 4), 0x00080101U);
      const uint32_t entry = Address(extension, 8);
      ASSERT_EQ(entry & 0xff, 1U);    // TTL.
      ASSERT_EQ(entry >> 8 & 1, 1U);  // Bottom of the stack.
      ASSERT_GE(entry >> 12, 16U);    // Not a reserved label.
      ASSERT_EQ(labels.emplace(reply.source, entry).first->second, entry);
    }
  }
  EXPECT_GT(odd, 500U);
  EXPECT_GT(even, 500U);
}

TEST(Reply, OpaqueTunnelsNameTheLabelThatTheyTookOff) {
  Scenario scenario = Clean();
  scenario.diamonds = {};
  scenario.tunnels = 1;
  scenario.tunnel_kinds = {0, 0, 1, 0};
  scenario.hidden_routers = {4, 4};
  const Topology topology(scenario);
  const Behaviour behaviour(scenario);
  size_t seen = 0;
  for (const uint32_t target : Targets(scenario)) {
    const Route route = topology.RouteTo(target);
    uint8_t hidden = 0;
    for (uint8_t ttl = 1; ttl <= route.hops; ++ttl) {
      const Packet bytes = Ask(scenario, Make({.target = target, .ttl = ttl}));
      const ReadReply reply = Read(bytes);
      ASSERT_EQ(reply.error, "");
      const auto [segment, position] = route.At(ttl);
      const bool end = segment->level > 0 && segment->length > 1 &&
                       position + 1 == segment->length;
      ASSERT_EQ(reply.rest.size() == 140, end);
      ASSERT_EQ(Byte(reply.rest, 8), 1);
      if (end) {
        hidden += 4;
        ++seen;
        ASSERT_EQ(Address(reply.rest.subspan(128), 8) & 0xff, 255U - 4);
      }
      // The way back is as long as the way there.
      ASSERT_EQ(reply.ttl, behaviour.Router(reply.source).initial_ttl -
                               (ttl - 1) - hidden);
    }
  }
  EXPECT_GT(seen, 1000U);
}

Scenario AllHosts() {
  Scenario scenario = Clean();
  scenario.hosts = scenario.udp_hosts = scenario.tcp_hosts = 1;
  return scenario;
}

TEST(Reply, HostsAnswerUdpWithPortUnreachable) {
  const Scenario scenario = AllHosts();
  constexpr uint32_t kTarget = 0x04040507;
  const auto hops = Topology(scenario).RouteTo(kTarget).hops;
  const Packet probe = MakeSegment(kTarget, 64, 17, 0);
  const Packet bytes = Ask(scenario, probe);
  const ReadReply reply = Read(bytes);
  ASSERT_EQ(reply.error, "");
  EXPECT_EQ(reply.source, kTarget);
  EXPECT_EQ(reply.type, 3);
  EXPECT_EQ(reply.code, 3);
  EXPECT_EQ(Byte(reply.rest, 8), 64 - hops);
  EXPECT_TRUE(std::equal(reply.rest.begin() + 20, reply.rest.end(),
                         probe.begin() + 20));
  EXPECT_TRUE(Ask(scenario, MakeSegment(kTarget, 64, 17, 0, 1)).empty());
}

TEST(Reply, HostsAnswerTcpAsRfc9293Says) {
  Scenario scenario = AllHosts();
  constexpr uint32_t kTarget = 0x04040507;
  const struct {
    double open;
    uint8_t flags;
    uint8_t answer;
    uint32_t sequence;
    uint32_t acknowledged;
  } cases[] = {{0, 0x02, 0x14, 0, 0x12345679},  // SYN: reset, and ACK.
               {0, 0x10, 0x04, 0x9abcdef0, 0},  // ACK: reset.
               {1, 0x10, 0x04, 0x9abcdef0, 0},
               {1, 0x12, 0x04, 0x9abcdef0, 0},   // SYN-ACK.
               {1, 0x01, 0x14, 0, 0x12345678}};  // FIN.
  for (const auto& expected : cases) {
    scenario.open_ports = expected.open;
    const Packet bytes =
        Ask(scenario, MakeSegment(kTarget, 64, 6, expected.flags));
    ASSERT_EQ(bytes.size(), 40U);
    EXPECT_EQ(Address(bytes, 12), kTarget);
    EXPECT_EQ(Word(bytes, 20), 443U);
    EXPECT_EQ(Word(bytes, 22), 40'000U);
    EXPECT_EQ(Byte(bytes, 33), expected.answer);
    EXPECT_EQ(Address(bytes, 24), expected.sequence);
    EXPECT_EQ(Address(bytes, 28), expected.acknowledged);
    Packet whole(bytes.begin() + 12, bytes.end());
    whole.insert(whole.end(),
                 {std::byte(0), std::byte(6), std::byte(0), std::byte(20)});
    EXPECT_EQ(Sum(whole), 0xffffU);
  }
  scenario.open_ports = 1;
  const Packet accepted = Ask(scenario, MakeSegment(kTarget, 64, 6, 0x02));
  ASSERT_EQ(accepted.size(), 40U);
  EXPECT_EQ(Byte(accepted, 33), 0x12);
  EXPECT_EQ(Address(accepted, 28), 0x12345679U);
  // Nobody answers a reset, or a segment with a wrong checksum.
  EXPECT_TRUE(Ask(scenario, MakeSegment(kTarget, 64, 6, 0x04)).empty());
  EXPECT_TRUE(Ask(scenario, MakeSegment(kTarget, 64, 6, 0x02, 1)).empty());
}

TEST(Reply, WrongChecksumsReachRoutersOnly) {
  Scenario scenario = Clean();
  scenario.hosts = 1;
  Network network(scenario);
  const Packet near = Make({.target = 0x04040507, .ttl = 1, .damage = 5});
  const Packet far = Make({.target = 0x04040507, .ttl = 64, .damage = 5});
  network.Send(kStart, near);
  network.Send(kStart, far);
  const NetworkCounters counters = network.counters();
  EXPECT_EQ(counters.of(Fate::kTimeExceeded), 1U);
  EXPECT_EQ(counters.of(Fate::kBadChecksum), 1U);
  EXPECT_EQ(counters.wrong_checksums, 2U);
}

TEST(Reply, DropsWhatNoRouterCouldRead) {
  const Packet good = Make({.target = 0x04040507});
  const auto damaged = [&](const std::function<void(Packet&)>& damage) {
    Packet packet = good;
    damage(packet);
    // Only the damage is wrong, not the checksum.
    if (packet.size() >= 20) {
      Put(packet, 10, 0);
      Put(packet, 10, ~Sum(std::span(packet).first(20)));
    }
    return packet;
  };
  const std::vector<Packet> bad = {
      {},
      Packet(good.begin(), good.begin() + 19),
      Packet(good.begin(), good.end() - 1),
      damaged([](Packet& p) { p[0] = std::byte(0x65); }),
      damaged([](Packet& p) { p[0] = std::byte(0x44); }),
      damaged([](Packet& p) { Put(p, 2, 27); }),
      damaged([](Packet& p) { Put(p, 6, 1); }),
      damaged([](Packet& p) { p[8] = std::byte(0); }),
      [&] {
        Packet packet = good;
        packet[10] ^= std::byte(1);
        return packet;
      }(),
      Packet(kMaxPacketSize + 1)};
  Network network(Clean());
  for (const Packet& packet : bad) network.Send(kStart, packet);
  EXPECT_EQ(network.counters().of(Fate::kMalformed), bad.size());
  EXPECT_EQ(network.in_flight(), 0U);
  network.Send(kStart, damaged([](Packet&) {}));
  EXPECT_EQ(network.counters().answered(), 1U);
}

TEST(Reply, SurvivesEveryTruncation) {
  const Packet good = Make({.target = 0x04040507, .options = 12});
  Network network(Clean());
  for (size_t length = 0; length < good.size(); ++length) {
    network.Send(kStart, std::span(good).first(length));
  }
  EXPECT_EQ(network.counters().of(Fate::kMalformed), good.size());
}

}  // namespace
}  // namespace fathom::lab
