#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "src/base/hash.h"
#include "src/lab/network.h"
#include "src/lab/truth.h"
#include "tests/lab_testing.h"

namespace fathom::lab {
namespace {

TEST(Network, RepliesComeFromTheHopsOfTheRoute) {
  const Scenario scenario = Clean();
  const Truth truth(scenario);
  Network network(scenario);
  for (uint32_t target = 0x04040001; target < 0x04050000; target += 1021) {
    const auto keys = ReadProbe(Make({.target = target}))->keys;
    std::map<uint8_t, TrueHop> hops;
    truth.VisitHops(target, keys, Sight::kOneFlow,
                    [&](const TrueHop& hop) { hops[hop.distance] = hop; });
    for (uint8_t ttl = 1; ttl <= 32; ++ttl) {
      const Packet probe =
          Make({.target = target, .ttl = ttl, .sequence = ttl});
      const Packet bytes = Ask(scenario, probe);
      // Past the end of the path it is the end that answers.
      const auto hop =
          hops.contains(ttl) ? hops.find(ttl) : std::prev(hops.end());
      if (hop->first != ttl && !hop->second.host) {
        ASSERT_TRUE(bytes.empty());
        continue;
      }
      const ReadReply reply = Read(bytes);
      ASSERT_EQ(reply.error, "");
      ASSERT_EQ(reply.source, hop->second.address);
      ASSERT_EQ(reply.destination, kSource);
      ASSERT_EQ(reply.type, hop->second.host ? 0 : 11);
      const uint8_t initial =
          hop->second.host ? truth.behaviour().Host(target).initial_ttl
                           : truth.behaviour().Router(reply.source).initial_ttl;
      ASSERT_EQ(reply.ttl, initial - (hop->first - 1));
    }
  }
}

TEST(Network, FlowsOfEqualHeadersHaveEqualPaths) {
  const Scenario scenario = Clean();
  for (uint32_t target = 0x04040001; target < 0x04050000; target += 4099) {
    for (uint8_t ttl = 1; ttl < 16; ++ttl) {
      std::set<uint32_t> responders;
      for (uint16_t sequence = 0; sequence < 20; ++sequence) {
        const Packet reply =
            Ask(scenario,
                Make({.target = target, .ttl = ttl, .sequence = sequence}));
        if (!reply.empty()) responders.insert(Read(reply).source);
      }
      ASSERT_LE(responders.size(), 1U);
    }
  }
}

// The responders at `ttl` over many values of one field.
template <typename Change>
size_t Responders(const Scenario& scenario, uint32_t target, uint8_t ttl,
                  Change change) {
  std::set<uint32_t> responders;
  for (uint16_t i = 0; i < 200; ++i) {
    Echo echo = {.target = target, .ttl = ttl};
    change(echo, i);
    responders.insert(Read(Ask(scenario, Make(echo))).source);
  }
  return responders.size();
}

TEST(Network, EveryFieldOfTheFlowMovesThePath) {
  Scenario scenario = Clean();
  scenario.chain[0] = {3, 3};  // A diamond at once, of four branches.
  scenario.diamonds.fill(1);
  scenario.widths = {0, 0, 1, 0, 0, 0};
  constexpr uint32_t kTarget = 0x04040001;
  const auto id = [](Echo& echo, uint16_t i) { echo.id = i; };
  const auto checksum = [](Echo& echo, uint16_t i) { echo.damage = i; };
  const auto tos = [](Echo& echo, uint16_t i) { echo.tos = i & 255; };
  const auto source = [](Echo& echo, uint16_t i) { echo.source += i; };
  const auto target = [](Echo& echo, uint16_t i) { echo.target += i; };
  const auto sequence = [](Echo& echo, uint16_t i) { echo.sequence = i; };
  for (const double per_destination : {0.0, 1.0}) {
    scenario.per_destination = per_destination;
    const size_t by_flow = per_destination == 0 ? 4 : 1;
    EXPECT_EQ(Responders(scenario, kTarget, 2, id), by_flow);
    EXPECT_EQ(Responders(scenario, kTarget, 2, checksum), by_flow);
    EXPECT_EQ(Responders(scenario, kTarget, 2, tos), by_flow);
    EXPECT_EQ(Responders(scenario, kTarget, 2, source), 4U);
    EXPECT_EQ(Responders(scenario, kTarget, 2, target), 4U);
    EXPECT_EQ(Responders(scenario, kTarget, 2, sequence), 1U);
  }
}

TEST(Network, EveryProbeHasOneFate) {
  Recorder recorder;
  Network network(Lively(), &recorder);
  std::mt19937_64 random(3);
  constexpr uint64_t kProbes = 60'000;
  uint64_t heard = 0;
  uint64_t extras = 0;
  Instant now = kStart;
  Instant last = kStart;
  std::multimap<Instant, Packet> expected;
  const auto hear = [&](const RxFrame& frame) {
    ++heard;
    ASSERT_GE(frame.arrival, last);
    last = frame.arrival;
    const auto [from, to] = expected.equal_range(frame.arrival);
    const auto same = std::find_if(from, to, [&](const auto& due) {
      return std::equal(due.second.begin(), due.second.end(),
                        frame.bytes.begin(), frame.bytes.end());
    });
    if (same == to) {
      ++extras;  // Forged, or garbage.
    } else {
      expected.erase(same);
    }
  };
  for (uint64_t i = 0; i < kProbes; ++i) {
    network.Send(now, RandomProbe(random, 0x04040000, 1 << 14));
    const Recorder::Record& record = recorder.records.back();
    // A reply takes time to come.
    if (!record.reply.empty()) {
      ASSERT_GT(record.due, now);
      for (int copy = 0; copy < record.copies; ++copy) {
        expected.emplace(record.due, record.reply);
      }
    }
    now += Nanos(random() % 100'000);
    if (random() % 16 == 0) Drain(network, now, hear);
  }
  Drain(network, kEnd, hear);
  EXPECT_TRUE(expected.empty());
  EXPECT_EQ(network.in_flight(), 0U);
  const NetworkCounters counters = network.counters();
  EXPECT_EQ(recorder.records.size(), kProbes);
  EXPECT_EQ(counters.probes(), kProbes);
  EXPECT_EQ(counters.packets(), heard);
  EXPECT_EQ(counters.forged + counters.garbage, extras);
  EXPECT_GT(counters.duplicates, 100U);
  EXPECT_GT(counters.forged, 100U);
  EXPECT_GT(counters.garbage, 100U);
  for (size_t i = 0; i < kFates; ++i) {
    EXPECT_GT(counters.fates[i], 0U) << kFateNames[i];
    EXPECT_EQ(counters.fates[i],
              static_cast<uint64_t>(std::count_if(
                  recorder.records.begin(), recorder.records.end(),
                  [&](const auto& r) { return r.fate == Fate(i); })));
  }
}

// A digest of every reply and of when it came.
uint64_t Digest(const Scenario& scenario, uint64_t packets_seed) {
  Network network(scenario);
  std::mt19937_64 random(packets_seed);
  uint64_t digest = 0;
  const auto hear = [&](const RxFrame& frame) {
    digest = Mix(digest + static_cast<uint64_t>(
                              frame.arrival.time_since_epoch().count()));
    for (const std::byte byte : frame.bytes) {
      digest = Mix(digest + std::to_integer<uint64_t>(byte) + 1);
    }
  };
  for (int i = 0; i < 20'000; ++i) {
    const Instant now = kStart + Nanos(i * 50'000LL);
    network.Send(now, RandomProbe(random, 0x04040000, 1 << 14));
    if (i % 100 == 0) Drain(network, now, hear);
  }
  Drain(network, kEnd, hear);
  return digest;
}

TEST(Network, TheSameSeedGivesTheSameBytes) {
  Scenario scenario = Lively();
  const uint64_t digest = Digest(scenario, 1);
  EXPECT_EQ(Digest(scenario, 1), digest);
  EXPECT_NE(Digest(scenario, 2), digest);
  ++scenario.seed;
  EXPECT_NE(Digest(scenario, 1), digest);
}

TEST(Network, LosesTheShareThatTheScenarioSays) {
  Scenario scenario = Clean();
  scenario.loss = 0.1;
  Network network(scenario);
  constexpr int kProbes = 50'000;
  for (int i = 0; i < kProbes; ++i) {
    network.Send(kStart + Nanos(i),
                 Make({.target = 0x04040507,
                       .ttl = 1,
                       .sequence = static_cast<uint16_t>(i)}));
  }
  const NetworkCounters counters = network.counters();
  EXPECT_NEAR(counters.of(Fate::kLostForward), 0.1 * kProbes, 350);
  EXPECT_NEAR(counters.of(Fate::kLostReturn), 0.09 * kProbes, 350);
}

TEST(Network, LimitedRoutersKeepToTheirRate) {
  Scenario scenario = Clean();
  scenario.limits[0] = {.share = 1, .rate = {100, 100}, .burst = {20, 20}};
  scenario.jitter_ms = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Network network(scenario);
    std::mt19937_64 random(seed);
    std::vector<Instant> replies;
    Instant now = kStart;
    // Bursts and rests; the first router is on the way of all.
    for (int i = 0; i < 5000; ++i) {
      network.Send(now, Make({.target = 0x04040001 + i % 7U, .ttl = 1}));
      now += random() % 200 == 0 ? Nanos(std::chrono::milliseconds(500))
                                 : Nanos(random() % 2'000'000);
    }
    Drain(network, kEnd,
          [&](const RxFrame& frame) { replies.push_back(frame.arrival); });
    // In every window, at most the burst and what the rate adds to it.
    for (size_t i = 0; i < replies.size(); i += 3) {
      for (size_t j = i; j < replies.size(); ++j) {
        const double seconds =
            std::chrono::duration<double>(replies[j] - replies[i]).count();
        ASSERT_LE(static_cast<double>(j - i + 1), 20 + 100 * seconds + 1e-6);
      }
    }
    // And it gives what it has: 5 s of probes at 1,000 a second, with rests.
    const double seconds = std::chrono::duration<double>(now - kStart).count();
    EXPECT_GT(static_cast<double>(replies.size()), 50 * seconds);
    EXPECT_GT(network.counters().of(Fate::kRateLimited), 0U);
  }
}

TEST(Network, SilentRoutersNeverAnswer) {
  Scenario scenario = Clean();
  scenario.silent_routers = 0.3;
  Recorder recorder;
  Network network(scenario, &recorder);
  const Behaviour behaviour(scenario);
  std::mt19937_64 random(4);
  for (int i = 0; i < 20'000; ++i) {
    network.Send(
        kStart,
        Make({.target = 0x04040000 + static_cast<uint32_t>(random() % 65536),
              .ttl = static_cast<uint8_t>(1 + i % 20)}));
  }
  for (const Recorder::Record& record : recorder.records) {
    if (record.fate != Fate::kTimeExceeded) continue;
    ASSERT_FALSE(behaviour.Router(record.responder).silent);
  }
  EXPECT_GT(network.counters().of(Fate::kSilentRouter), 1000U);
}

TEST(Network, LoopsAnswerUntilTheTtlRunsOut) {
  Scenario scenario = Clean();
  scenario.loops = {0, 0, 0, 0, 0, 1};
  constexpr uint32_t kTarget = 0x04040507;
  const auto hops = Topology(scenario).RouteTo(kTarget).hops;
  std::map<int, uint32_t> by_ttl;
  for (int ttl = hops - 1; ttl < 256; ++ttl) {
    const Packet bytes = Ask(
        scenario, Make({.target = kTarget, .ttl = static_cast<uint8_t>(ttl)}));
    const ReadReply reply = Read(bytes);
    ASSERT_EQ(reply.error, "") << ttl;
    ASSERT_EQ(Byte(reply.rest, 8), 1);
    by_ttl[ttl] = reply.source;
  }
  for (const auto& [ttl, router] : by_ttl) {
    EXPECT_EQ(router, by_ttl[hops - (ttl - hops) % 2]);
  }
  EXPECT_NE(by_ttl[hops], by_ttl[hops - 1]);
}

}  // namespace
}  // namespace fathom::lab
