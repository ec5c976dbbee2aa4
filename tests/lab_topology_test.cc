#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "src/base/hash.h"
#include "src/lab/describe.h"
#include "src/lab/router.h"
#include "src/lab/topology.h"
#include "src/lab/truth.h"
#include "tests/lab_testing.h"

namespace fathom::lab {
namespace {

// Which router of which node stands at an address.
using Seat = std::tuple<int, uint32_t, uint32_t, uint32_t>;

// The scenarios that the laws must hold in.
std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Scenario plain;
    plain.seed = seed;
    plain.space = {*Prefix::Parse("4.4.0.0/16")};
    all.push_back(plain);

    Scenario dense = Clean();  // As many routers as there is room for.
    dense.seed = seed;
    dense.chain = {{{5, 5}, {10, 10}, {10, 10}, {10, 10}, {8, 10}, {3, 5}}};
    dense.diamonds = 1;
    dense.per_destination = 0.5;
    dense.diamond_length = {1, 8};
    dense.widths = {1, 0, 0, 0, 0, 1};
    all.push_back(dense);

    Scenario scattered = plain;
    scattered.space = {
        *Prefix::Parse("9.9.9.0/24"), *Prefix::Parse("4.0.0.0/18"),
        *Prefix::Parse("4.1.0.0/24"), *Prefix::Parse("7.7.64.0/20")};
    all.push_back(scattered);
  }
  return all;
}

// All routers of a node, each with its seat.
std::map<uint32_t, Seat> RoutersOf(const Segment& segment) {
  std::map<uint32_t, Seat> routers;
  for (uint32_t i = 0; i < segment.length; ++i) {
    const uint32_t width = segment.OnBranch(i) ? segment.width : 1;
    for (uint32_t branch = 0; branch < width; ++branch) {
      const Seat seat(segment.level, segment.base, i, branch);
      EXPECT_TRUE(routers.emplace(segment.Router(i, branch), seat).second);
    }
  }
  return routers;
}

Prefix PrefixOf(const Scenario& scenario, const Segment& segment) {
  return {IpAddress::V4(segment.base), segment.level == 0
                                           ? scenario.space.front().length()
                                           : kLevelBits[segment.level]};
}

// Calls visit(segment) for all segments on the routes of a scenario.
template <typename Visit>
void VisitSegments(const Scenario& scenario, Visit&& visit) {
  const Topology topology(scenario);
  for (const uint32_t target : Targets(scenario)) {
    const Route route = topology.RouteTo(target);
    for (const Segment& segment : route.used()) visit(segment);
  }
}

TEST(Topology, RoutersHaveAddressesOfTheirOwn) {
  for (const Scenario& scenario : Scenarios()) {
    std::map<uint32_t, Seat> seats;
    VisitSegments(scenario, [&](const Segment& segment) {
      const Prefix prefix = PrefixOf(scenario, segment);
      for (const auto& [address, seat] : RoutersOf(segment)) {
        EXPECT_EQ(seats.emplace(address, seat).first->second, seat);
        EXPECT_GE(address & 0xff, kFirstRouterOctet);
        EXPECT_TRUE(prefix.Contains(IpAddress::V4(address)));
      }
    });
    EXPECT_GT(seats.size(), 50U);
  }
}

TEST(Topology, DiamondsStandBetweenSingleRouters) {
  size_t diamonds = 0;
  uint32_t widest = 0;
  for (const Scenario& scenario : Scenarios()) {
    const Topology topology(scenario);
    for (const uint32_t target : Targets(scenario)) {
      const Route route = topology.RouteTo(target);
      size_t hops = 0;
      for (const Segment& segment : route.used()) {
        ASSERT_GT(segment.length, 0);
        ASSERT_FALSE(segment.OnBranch(0));
        ASSERT_FALSE(segment.OnBranch(segment.length - 1U));
        ASSERT_EQ(segment.span > 0, segment.width > 1);
        hops += segment.length;
        diamonds += segment.span > 0 ? 1 : 0;
        widest = std::max(widest, segment.width);
      }
      ASSERT_EQ(hops, route.hops);
      ASSERT_LE(route.hops, 60);
    }
  }
  EXPECT_GT(diamonds, 1000U);
  EXPECT_GT(widest, 90U);
  EXPECT_LE(widest, 96U);
}

TEST(Topology, AShorterHorizonChangesNothingBeforeIt) {
  for (const Scenario& scenario : Scenarios()) {
    const Topology topology(scenario);
    const auto targets = Targets(scenario);
    for (size_t i = 0; i < targets.size(); i += 29) {
      const Route whole = topology.RouteTo(targets[i]);
      for (uint8_t ttl = 1; ttl <= whole.hops; ++ttl) {
        const Route part = topology.RouteTo(targets[i], ttl);
        ASSERT_GE(part.hops, ttl);
        const auto a = whole.At(ttl);
        const auto b = part.At(ttl);
        ASSERT_EQ(a.segment->Router(a.position, 0),
                  b.segment->Router(b.position, 0));
      }
    }
  }
}

// The routers that answer probes of one flow, by distance.
std::map<uint8_t, uint32_t> Walk(const Truth& truth, uint32_t target,
                                 const FlowKeys& keys) {
  std::map<uint8_t, uint32_t> hops;
  const Route route = truth.topology().RouteTo(target);
  for (uint8_t ttl = 1; ttl <= route.hops; ++ttl) {
    const Landing landing = truth.topology().Land(target, keys, ttl);
    EXPECT_EQ(landing.event, Landing::Event::kExpired);
    EXPECT_EQ(landing.distance, ttl);
    if (!truth.behaviour().Router(landing.router).silent) {
      hops[ttl] = landing.router;
    }
  }
  return hops;
}

TEST(Topology, OneFlowHasOneWay) {
  for (const Scenario& scenario : Scenarios()) {
    const Truth truth(scenario);
    const auto targets = Targets(scenario);
    for (size_t i = 0; i < targets.size(); i += 53) {
      const FlowKeys keys = Flow(targets[i], 3);
      std::multimap<uint8_t, uint32_t> hops;
      truth.VisitHops(targets[i], keys, Sight::kOneFlow,
                      [&](const TrueHop& hop) {
                        if (!hop.host) hops.emplace(hop.distance, hop.address);
                      });
      const auto walked = Walk(truth, targets[i], keys);
      ASSERT_TRUE(
          std::equal(hops.begin(), hops.end(), walked.begin(), walked.end()));
    }
  }
}

TEST(Topology, LoopsBounceBetweenTheLastTwoRouters) {
  Scenario scenario = Clean();
  scenario.loops = {0, 0, 0, 0.1, 0.3, 1};
  const Topology topology(scenario);
  for (const uint32_t target : Targets(scenario)) {
    const FlowKeys keys = Flow(target, 1);
    const Route route = topology.RouteTo(target);
    ASSERT_EQ(route.end, RouteEnd::kLoop);
    const Landing last = topology.Land(target, keys, route.hops);
    const Landing before = topology.Land(target, keys, route.hops - 1);
    ASSERT_NE(last.router, before.router);
    for (int ttl = route.hops; ttl < 256; ++ttl) {
      const Landing landing =
          topology.Land(target, keys, static_cast<uint8_t>(ttl));
      const bool even = (ttl - route.hops) % 2 == 0;
      ASSERT_EQ(landing.router, even ? last.router : before.router);
      ASSERT_EQ(landing.event, Landing::Event::kExpired);
      ASSERT_EQ(landing.back, even ? last.back : before.back);
      ASSERT_GE(landing.forward, landing.back);
    }
  }
}

TEST(Topology, AddressesOutsideTheSpaceAreUnrouted) {
  const Topology topology(Clean());
  for (const uint32_t address : {0U, 0x0403ffffU, 0x04050000U, ~0U}) {
    EXPECT_FALSE(topology.InSpace(address));
    EXPECT_EQ(topology.RouteTo(address).end, RouteEnd::kUnrouted);
  }
  EXPECT_TRUE(topology.InSpace(0x04040000));
  EXPECT_TRUE(topology.InSpace(0x0404ffff));
  Scenario all = Clean();
  all.space = {Prefix(IpAddress::V4(0), 0)};
  EXPECT_TRUE(Topology(all).InSpace(0));
  EXPECT_TRUE(Topology(all).InSpace(~0U));
}

TEST(Topology, LaterRoutersAreNoNearerInTime) {
  for (const Scenario& scenario : Scenarios()) {
    const Topology topology(scenario);
    const Nanos most = MaxRoundTrip(scenario);
    for (const uint32_t target : Targets(scenario)) {
      Nanos last{0};
      for (int ttl = 1; ttl < 64; ++ttl) {
        const Landing landing =
            topology.Land(target, Flow(target, 0), static_cast<uint8_t>(ttl));
        ASSERT_LE(landing.forward + landing.back, most);
        if (landing.distance < ttl) break;
        ASSERT_GT(landing.forward, last);
        last = landing.forward;
      }
    }
  }
}

// A share of n draws: within five standard deviations.
void ExpectShare(uint64_t part, uint64_t whole, double share) {
  const double n = static_cast<double>(whole);
  EXPECT_NEAR(static_cast<double>(part) / n, share,
              5 * std::sqrt(share * (1 - share) / n));
}

TEST(Behaviour, SharesComeOutAsTheScenarioSays) {
  const Scenario scenario;
  const Behaviour behaviour(scenario);
  constexpr uint32_t kCount = 200'000;
  uint64_t silent = 0, limited = 0, full = 0, high = 0, middle = 0, both = 0;
  uint64_t hosts = 0, host_high = 0, host_middle = 0, tells = 0;
  for (uint32_t i = 0; i < kCount; ++i) {
    const uint32_t address = 0x04000000 + i * 256;
    const RouterTraits router = behaviour.Router(address + 250);
    silent += router.silent ? 1 : 0;
    limited += router.limited ? 1 : 0;
    both += router.silent && router.limited ? 1 : 0;
    full += router.quotes_all ? 1 : 0;
    high += router.initial_ttl == 255 ? 1 : 0;
    middle += router.initial_ttl == 128 ? 1 : 0;
    const HostTraits host = behaviour.Host(address + i % 225);
    hosts += host.answers ? 1 : 0;
    host_high += host.initial_ttl == 255 ? 1 : 0;
    host_middle += host.initial_ttl == 128 ? 1 : 0;
    tells += behaviour.TellsAbsent(address) ? 1 : 0;
    EXPECT_FALSE(behaviour.Host(address + 225 + i % 31).answers);
  }
  ExpectShare(silent, kCount, scenario.silent_routers);
  ExpectShare(limited, kCount, scenario.limited_routers);
  ExpectShare(both, kCount, scenario.silent_routers * scenario.limited_routers);
  ExpectShare(full, kCount, scenario.full_quotes);
  ExpectShare(high, kCount, scenario.router_ttl_255);
  ExpectShare(middle, kCount, scenario.router_ttl_128);
  ExpectShare(hosts, kCount, scenario.hosts);
  ExpectShare(host_high, kCount, scenario.host_ttl_255);
  ExpectShare(host_middle, kCount, scenario.host_ttl_128);
  ExpectShare(tells, kCount, scenario.host_unreachable);
}

TEST(Topology, ShapesComeOutAsTheScenarioSays) {
  Scenario scenario;
  scenario.unrouted = {0, 0, 0, 0, 0, 0.1};
  scenario.filtered = {0, 0, 0, 0, 0, 0.2};
  scenario.loops = {0, 0, 0, 0, 0, 0.05};
  scenario.chain[4] = {0, 4};
  const Topology topology(scenario);
  std::map<RouteEnd, uint64_t> ends;
  std::map<uint32_t, uint64_t> lengths, widths;
  uint64_t blocks = 0, long_enough = 0, diamonds = 0, per_destination = 0;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    const uint32_t first = prefix.first().v4();
    const Route route = topology.RouteTo(first);
    ++blocks;
    ++ends[route.end];
    if ((first & 0xfff) != 0) return;  // Each /20 once.
    uint32_t length = 0;
    for (const Segment& segment : route.used()) {
      if (segment.level != 4) continue;
      length = segment.length;
      long_enough += length >= 3 ? 1 : 0;
      if (segment.span == 0) continue;
      ++diamonds;
      ++widths[segment.width];
      per_destination += segment.balancer == Balancer::kPerDestination ? 1 : 0;
    }
    ++lengths[length];
  });
  ExpectShare(ends[RouteEnd::kUnrouted], blocks, 0.1);
  ExpectShare(ends[RouteEnd::kFiltered], blocks, 0.2);
  ExpectShare(ends[RouteEnd::kLoop], blocks, 0.05);
  for (uint32_t i = 0; i <= 4; ++i) ExpectShare(lengths[i], blocks / 16, 0.2);
  ExpectShare(diamonds, long_enough, scenario.diamonds);
  ExpectShare(per_destination, diamonds, scenario.per_destination);
  ExpectShare(widths[2], diamonds, scenario.widths[0]);
  ExpectShare(widths[3], diamonds, scenario.widths[1]);
  ExpectShare(widths[4], diamonds, scenario.widths[2]);
}

// Held against the table of model numbers for the Internet.
TEST(Describe, TheDefaultInternetIsAboutRight) {
  const LabDescription lab = DescribeLab({}, 40'000);
  EXPECT_NEAR(lab.length[0], 8, 1.01) << ToString(lab);
  EXPECT_NEAR(lab.length[2], 13, 1.01);
  EXPECT_NEAR(lab.length[4], 17, 1.01);
  EXPECT_NEAR(lab.answering, 0.08, 0.03);
  EXPECT_NEAR(lab.looping, 0.01, 0.01);
  EXPECT_NEAR(lab.balanced, 0.4, 0.05);
  EXPECT_NEAR(lab.rtt_ms[2], 160, 60);
  EXPECT_NEAR(
      lab.answering + lab.absent + lab.unrouted + lab.filtered + lab.looping, 1,
      1e-9);
}

}  // namespace
}  // namespace fathom::lab
