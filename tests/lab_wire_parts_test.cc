// The parts of the lab's wire that need no wire.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "src/lab/load_meter.h"
#include "src/lab/neighbors.h"
#include "src/lab/offload.h"
#include "tests/lab_packets.h"

namespace fathom::lab {
namespace {

// Counts each millisecond by itself.
ProbeLoad Naive(const std::vector<int64_t>& arrivals) {
  std::map<int64_t, uint64_t> by_ms;
  const int64_t start = arrivals.front();
  for (const int64_t at : arrivals) ++by_ms[(at - start) / 1'000'000];
  std::vector<uint64_t> counts(static_cast<size_t>(by_ms.rbegin()->first) + 1);
  for (const auto& [ms, count] : by_ms) counts[static_cast<size_t>(ms)] = count;
  std::sort(counts.begin(), counts.end());
  std::map<int64_t, uint64_t> by_window;
  for (const auto& [ms, count] : by_ms) by_window[ms / 100] += count;
  uint64_t busiest = 0;
  for (const auto& [window, count] : by_window) {
    busiest = std::max(busiest, count);
  }
  const auto idle = std::count(counts.begin(), counts.end(), 0U);
  const auto all = static_cast<double>(counts.size());
  return {.probes = arrivals.size(),
          .seconds = static_cast<double>(arrivals.back() - start) / 1e9,
          .mean_per_ms = static_cast<double>(arrivals.size()) / all,
          .p99_per_ms = counts[(counts.size() * 99 + 99) / 100 - 1],
          .max_per_ms = counts.back(),
          .max_per_100ms = busiest,
          .idle_share = static_cast<double>(idle) / all};
}

TEST(LoadMeter, CountsAsOneThatKeepsEveryMillisecond) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<int64_t> arrivals = {1'700'000'000'000'000'000};
    const uint32_t spread = 1U << random() % 24;
    while (arrivals.size() < 500) {
      const bool pause = random() % 100 == 0;
      arrivals.push_back(arrivals.back() +
                         (pause ? random() % 9'000'000 : random() % spread));
    }
    LoadMeter meter;
    for (const int64_t at : arrivals) meter.Add(Instant(Nanos(at)));
    const ProbeLoad load = meter.Measure();
    const ProbeLoad expected = Naive(arrivals);
    EXPECT_EQ(load.probes, expected.probes);
    EXPECT_DOUBLE_EQ(load.seconds, expected.seconds);
    EXPECT_DOUBLE_EQ(load.mean_per_ms, expected.mean_per_ms);
    EXPECT_EQ(load.p99_per_ms, expected.p99_per_ms) << seed;
    EXPECT_EQ(load.max_per_ms, expected.max_per_ms);
    EXPECT_EQ(load.max_per_100ms, expected.max_per_100ms);
    EXPECT_DOUBLE_EQ(load.idle_share, expected.idle_share);
  }
}

TEST(LoadMeter, TakesAnythingFromNothingToOneInstant) {
  LoadMeter meter;
  EXPECT_EQ(meter.Measure().probes, 0);
  for (int i = 0; i < 20'000; ++i) meter.Add(Instant(Nanos(5)));
  meter.Add(Instant(Nanos(1)));  // Time went back.
  const ProbeLoad load = meter.Measure();
  EXPECT_EQ(load.probes, 20'001);
  EXPECT_EQ(load.max_per_ms, 20'001);
  EXPECT_EQ(load.probes_per_second, 0);
}

TEST(Neighbors, SendNobodyElsewhereButWhoLostHisPlace) {
  Neighbors neighbors;
  std::map<uint32_t, MacAddress> truth;
  std::mt19937 random(3);
  MacAddress last{};
  size_t lost = 0;
  for (uint32_t i = 0; i < 400; ++i) {
    const uint32_t address = 0xc6120000 + random() % 1'000;
    for (uint8_t& byte : last) byte = static_cast<uint8_t>(random());
    neighbors.Learn(address, last);
    truth[address] = last;
    EXPECT_EQ(neighbors.Find(address), last);
  }
  for (const auto& [address, mac] : truth) {
    if (neighbors.Knows(address)) {
      EXPECT_EQ(neighbors.Find(address), mac);
    } else {
      EXPECT_EQ(neighbors.Find(address), last);
      ++lost;
    }
  }
  EXPECT_LT(lost, truth.size() / 10);
}

std::vector<std::byte> ArpRequest(uint32_t sender, uint32_t target) {
  std::vector<std::byte> arp(46);  // Padded, as on Ethernet.
  Put(arp, 0, 1);
  Put(arp, 2, 0x0800);
  Put(arp, 4, 0x0604);
  Put(arp, 6, 1);
  Put(arp, 14, sender >> 16);
  Put(arp, 16, sender);
  Put(arp, 24, target >> 16);
  Put(arp, 26, target);
  return arp;
}

TEST(Arp, HasNoAnswerToWhatIsNoRequest) {
  const Neighbors neighbors;
  const MacAddress own = {2, 0, 0, 0, 0, 1};
  const auto good = ArpRequest(kSource, 0x0a000001);
  ASSERT_TRUE(AnswerArp(good, own, kSource, neighbors));
  for (size_t length = 0; length < 28; ++length) {
    EXPECT_FALSE(
        AnswerArp(std::span(good).first(length), own, kSource, neighbors));
  }
  for (size_t at = 0; at < 8; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[at] ^= std::byte(1 << bit);
      EXPECT_FALSE(AnswerArp(bad, own, kSource, neighbors)) << at;
    }
  }
}

// The sum over the pseudo header of a packet's transport part.
uint32_t PseudoSum(std::span<const std::byte> packet, size_t header) {
  std::vector<std::byte> pseudo(12);
  std::copy_n(packet.begin() + 12, 8, pseudo.begin());
  pseudo[9] = packet[9];
  Put(pseudo, 10, static_cast<uint32_t>(packet.size() - header));
  return Sum(pseudo);
}

TEST(Offload, FinishesWhatTheSenderBegan) {
  std::mt19937 random(11);
  for (int round = 0; round < 4'000; ++round) {
    const bool tcp = round % 2 == 0;
    const size_t options = random() % 11 * 4;
    const size_t header = 20 + options;
    auto packet = Make({.target = static_cast<uint32_t>(random()),
                        .payload = 12 + random() % 100,
                        .options = options,
                        .protocol = static_cast<uint8_t>(tcp ? 6 : 17)});
    for (size_t i = header; i < packet.size(); ++i) {
      packet[i] = std::byte(random() & 0xff);
    }
    const size_t at = header + (tcp ? 16 : 6);
    const uint32_t pseudo = PseudoSum(packet, header);
    Put(packet, at, pseudo);
    const auto padded = random() % 2 * 6;
    packet.resize(packet.size() + padded, std::byte(0xaa));
    CompleteChecksum(packet);
    packet.resize(packet.size() - padded);
    const uint32_t sum = Sum(std::span(packet).subspan(header)) + pseudo;
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffff) << round;
    EXPECT_NE(Word(packet, at), 0);
  }
}

TEST(Offload, LeavesAloneWhatItCannotRead) {
  std::mt19937 random(5);
  for (int round = 0; round < 20'000; ++round) {
    auto packet = Make({.target = 1, .protocol = 17});
    packet.resize(random() % (packet.size() + 1));
    for (int i = 0; i < 3 && packet.size() > 20; ++i) {
      packet[random() % 20] = std::byte(random() & 0xff);
    }
    const auto before = packet;
    CompleteChecksum(packet);  // Under a sanitizer, it stays inside.
    EXPECT_EQ(packet.size(), before.size());
  }
  auto icmp = Make({.target = 1});
  const auto before = icmp;
  CompleteChecksum(icmp);
  EXPECT_EQ(icmp, before);
}

}  // namespace
}  // namespace fathom::lab
