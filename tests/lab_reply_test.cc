#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
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
    ASSERT_EQ(IsAnswered(record.fate), !record.reply.empty());
    if (record.reply.empty()) continue;
    const ReadReply reply = Read(record.reply);
    ASSERT_EQ(reply.error, "");
    ASSERT_EQ(reply.source, record.responder);
    ASSERT_EQ(reply.destination, Address(record.probe, 12));
    kinds.emplace(reply.type, reply.code);
  }
  EXPECT_EQ(kinds, (std::set<std::pair<int, int>>{
                       {0, 0}, {3, 0}, {3, 1}, {3, 13}, {11, 0}}));
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
  for (const Recorder::Record& record : recorder.records) {
    if (record.reply.empty() || record.fate == Fate::kEchoReply) continue;
    const auto quote = Read(record.reply).rest;
    const size_t header = (Byte(record.probe, 0) & 0xfU) * 4;
    const size_t total = Word(record.probe, 2);
    const bool all = behaviour.Router(record.responder).quotes_all;
    ASSERT_EQ(quote.size(),
              all ? std::min<size_t>(total, 576 - 28) : header + 8);
    lengths.insert(quote.size());
    // All but TTL and checksum is as it was sent.
    const int sent_ttl = Byte(record.probe, 8);
    const int quoted_ttl = Byte(quote, 8);
    ASSERT_GE(quoted_ttl, 1);
    ASSERT_LE(quoted_ttl, sent_ttl);
    if (record.fate == Fate::kTimeExceeded) {
      ASSERT_EQ(quoted_ttl, 1);
    }
    Packet back(quote.begin(), quote.end());
    back[8] = record.probe[8];
    back[10] = record.probe[10];
    back[11] = record.probe[11];
    ASSERT_TRUE(std::equal(back.begin(), back.end(), record.probe.begin()));
  }
  EXPECT_GT(lengths.size(), 30U);
}

TEST(Reply, UnreachablesComeFromTheLastRouterAndSayHowFarTheyAre) {
  Scenario scenario = Clean();
  scenario.filtered = {0, 0, 0, 0, 0, 1};
  scenario.prohibited = 1;
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
