#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "src/base/hash.h"
#include "src/lab/check.h"
#include "src/lab/router.h"
#include "src/lab/topology.h"
#include "src/lab/truth.h"
#include "tests/lab_testing.h"

namespace fathom::lab {
namespace {

// Which router of which node stands at an address.
using Seat = std::tuple<int, uint32_t, uint32_t, uint32_t, uint32_t>;

// The scenarios that the laws must hold in.
std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Scenario plain = Dense();
    plain.seed = seed;
    all.push_back(plain);

    Scenario dense = Clean();  // As many routers as there is room for.
    dense.seed = seed;
    dense.chain = {{{5, 5}, {10, 10}, {10, 10}, {10, 10}, {8, 10}, {3, 5}}};
    dense.bare = {};
    dense.diamonds.fill(1);
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
      const Seat seat(segment.level, segment.base, segment.first_slot, i,
                      branch);
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
    for (const Nanos age : topology.AgesOf(target)) {
      const Route route = topology.RouteTo(target, age);
      for (const Segment& segment : route.used()) visit(segment);
    }
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
        const Route part = topology.RouteTo(targets[i], kBefore, ttl);
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
  for (Scenario scenario : Scenarios()) {
    scenario.per_packet = 0;
    scenario.route_changes = 0;
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
  Scenario scenario;
  scenario.rewritten_targets = 0.1;
  scenario.rewritten_flows = 0.2;
  scenario.rewritten_ids = 0.3;
  scenario.odd_quoted_ttls = 0.1;
  const Behaviour behaviour(scenario);
  constexpr uint32_t kCount = 200'000;
  uint64_t silent = 0, talking = 0, present = 0, tells = 0;
  std::map<std::string, uint64_t> routers, hosts;
  for (uint32_t i = 0; i < kCount; ++i) {
    const uint32_t address = 0x04000000 + i * 256;
    const RouterTraits router = behaviour.Router(address + 250);
    EXPECT_EQ(router.silent, behaviour.IsSilent(address + 250));
    silent += router.silent ? 1 : 0;
    tells += behaviour.TellsAbsent(address) ? 1 : 0;
    EXPECT_FALSE(behaviour.Host(address + 225 + i % 31).present);
    if (!router.silent) {
      ++talking;
      routers["slow"] += router.token >= std::chrono::seconds(1) ? 1 : 0;
      routers["tight"] += router.token >= std::chrono::milliseconds(10) &&
                                  router.token <= std::chrono::milliseconds(20)
                              ? 1
                              : 0;
      routers["unlimited"] += router.limited() ? 0 : 1;
      routers["long"] += router.quotes == 128 ? 1 : 0;
      routers["full"] += router.quotes == 0xffff ? 1 : 0;
      routers["255"] += router.initial_ttl == 255 ? 1 : 0;
      routers["128"] += router.initial_ttl == 128 ? 1 : 0;
      routers["target"] += router.rewrite == Rewrite::kTarget ? 1 : 0;
      routers["flow"] += router.rewrite == Rewrite::kFlow ? 1 : 0;
      routers["id"] += router.rewrite == Rewrite::kId ? 1 : 0;
      routers["odd"] += router.odd_quoted_ttl ? 1 : 0;
    }
    const HostTraits host = behaviour.Host(address + i % 225);
    if (!host.present) {
      EXPECT_FALSE(host.udp || host.tcp || host.open);
      continue;
    }
    ++present;
    hosts["255"] += host.initial_ttl == 255 ? 1 : 0;
    hosts["128"] += host.initial_ttl == 128 ? 1 : 0;
    hosts["udp"] += host.udp ? 1 : 0;
    hosts["tcp"] += host.tcp ? 1 : 0;
    hosts["open"] += host.open ? 1 : 0;
    hosts["slow"] += host.delay >= std::chrono::milliseconds(400) ? 1 : 0;
  }
  ExpectShare(silent, kCount, scenario.silent_routers);
  ExpectShare(present, kCount, scenario.hosts);
  ExpectShare(tells, kCount, scenario.host_unreachable);
  ExpectShare(routers["slow"], talking, scenario.limits[0].share);
  ExpectShare(routers["tight"], talking, scenario.limits[2].share);
  EXPECT_EQ(routers["unlimited"], 0U);
  ExpectShare(routers["long"], talking, scenario.long_quotes);
  ExpectShare(routers["full"], talking, scenario.full_quotes);
  ExpectShare(routers["255"], talking, scenario.router_ttl_255);
  ExpectShare(routers["128"], talking, scenario.router_ttl_128);
  ExpectShare(routers["target"], talking, scenario.rewritten_targets);
  ExpectShare(routers["flow"], talking, scenario.rewritten_flows);
  ExpectShare(routers["id"], talking, scenario.rewritten_ids);
  ExpectShare(routers["odd"], talking, scenario.odd_quoted_ttls);
  ExpectShare(hosts["255"], present, scenario.host_ttl_255);
  ExpectShare(hosts["128"], present, scenario.host_ttl_128);
  ExpectShare(hosts["udp"], present, scenario.udp_hosts);
  ExpectShare(hosts["tcp"], present, scenario.tcp_hosts);
  ExpectShare(hosts["open"], present, scenario.open_ports);
  ExpectShare(hosts["slow"], present, scenario.slow_hosts);
}

TEST(Topology, ShapesComeOutAsTheScenarioSays) {
  Scenario scenario;
  scenario.space = {*Prefix::Parse("4.0.0.0/8"), *Prefix::Parse("5.0.0.0/8")};
  scenario.unrouted = {0, 0, 0, 0, 0, 0.1};
  scenario.filtered = {0, 0, 0, 0, 0, 0.2};
  scenario.loops = {0, 0, 0, 0, 0, 0.05};
  scenario.bare[4] = 0.2;
  scenario.chain[4] = {1, 4};
  scenario.diamonds[4] = 0.5;
  scenario.tunnels = 0.6;
  scenario.per_packet = 0.3;
  scenario.route_changes = 0.1;
  const Topology topology(scenario);
  std::map<RouteEnd, uint64_t> ends;
  std::map<uint32_t, uint64_t> lengths, widths;
  std::map<Balancer, uint64_t> balancers;
  std::map<Tunnel, uint64_t> tunnels;
  uint64_t blocks = 0, long_enough = 0, diamonds = 0, spans = 0, meshed = 0;
  uint64_t changing = 0, plain = 0;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    const uint32_t first = prefix.first().v4();
    const Route route = topology.RouteTo(first);
    ++blocks;
    ++ends[route.end];
    if ((first & 0xfff) != 0) return;  // Each /20 once.
    changing += topology.AgesOf(first).size() > 1 ? 1 : 0;
    uint32_t length = 0;
    for (const Segment& segment : route.used()) {
      if (segment.level != 4) continue;
      length = segment.length;
      long_enough += length >= 3 ? 1 : 0;
      plain += length >= 3 && segment.span == 0 ? 1 : 0;
      if (length >= 3) ++tunnels[segment.tunnel];
      if (segment.span == 0) continue;
      ASSERT_EQ(segment.tunnel, Tunnel::kNone);
      ++diamonds;
      ++widths[segment.width];
      ++balancers[segment.balancer];
      spans += segment.span > 1 ? 1 : 0;
      meshed += segment.meshed ? 1 : 0;
    }
    ++lengths[length];
  });
  const uint64_t nodes = blocks / 16;
  ExpectShare(ends[RouteEnd::kUnrouted], blocks, 0.1);
  ExpectShare(ends[RouteEnd::kFiltered], blocks, 0.2);
  ExpectShare(ends[RouteEnd::kLoop], blocks, 0.05);
  for (uint32_t i = 0; i <= 4; ++i) ExpectShare(lengths[i], nodes, 0.2);
  ExpectShare(changing, nodes, 0.1);
  ExpectShare(diamonds, long_enough, 0.5);
  ExpectShare(balancers[Balancer::kPerDestination], diamonds,
              scenario.per_destination);
  ExpectShare(balancers[Balancer::kPerPacket], diamonds, 0.3);
  ExpectShare(meshed, spans, scenario.meshed);
  ExpectShare(widths[2], diamonds, scenario.widths[0]);
  ExpectShare(widths[3], diamonds, scenario.widths[1]);
  ExpectShare(widths[4], diamonds, scenario.widths[2]);
  ExpectShare(tunnels[Tunnel::kExplicit], plain, 0.6 * 0.78);
  ExpectShare(tunnels[Tunnel::kImplicit], plain, 0.6 * 0.14);
  ExpectShare(tunnels[Tunnel::kOpaque], plain, 0.6 * 0.02);
  ExpectShare(tunnels[Tunnel::kInvisible], plain, 0.6 * 0.06);
}

TEST(Topology, RoutesChangeOnceAndWhenTheScenarioSays) {
  Scenario scenario = Clean();
  scenario.route_changes = 1;
  scenario.route_change_s = {10, 20};
  const Topology topology(scenario);
  const Nanos early = std::chrono::seconds(10) - Nanos(1);
  const Nanos late = std::chrono::seconds(20);
  size_t changed = 0;
  for (const uint32_t target : Targets(scenario)) {
    const FlowKeys keys = Flow(target, 0);
    const auto routers = [&](Nanos age) {
      std::vector<uint32_t> result;
      for (uint8_t ttl = 1; ttl <= 40; ++ttl) {
        const Landing landing = topology.Land(target, keys, ttl, age);
        if (landing.event != Landing::Event::kExpired) break;
        result.push_back(landing.router);
      }
      return result;
    };
    const auto before = routers(kBefore);
    const auto after = routers(kAfter);
    ASSERT_EQ(routers(early), before);
    ASSERT_EQ(routers(late), after);
    bool turned = false;
    for (int second = 10; second <= 20; ++second) {
      const auto now = routers(std::chrono::seconds(second));
      turned |= now != before;
      ASSERT_EQ(now, turned ? after : before);
    }
    changed += before != after ? 1 : 0;
  }
  EXPECT_GT(changed, 500U);
}

TEST(Topology, HiddenRoutersTakeNothingOffTtls) {
  Scenario scenario = Clean();
  scenario.tunnels = 1;
  scenario.diamonds = {};
  scenario.tunnel_kinds = {0, 0, 1, 1};
  scenario.hidden_routers = {3, 3};
  const Topology topology(scenario);
  scenario.tunnels = 0;
  const Topology plain(scenario);
  size_t labelled = 0;
  for (const uint32_t target : Targets(scenario)) {
    const FlowKeys keys = Flow(target, 0);
    uint8_t hidden = 0;
    for (uint8_t ttl = 1; ttl <= 40; ++ttl) {
      const Landing with = topology.Land(target, keys, ttl);
      const Landing without = plain.Land(target, keys, ttl);
      ASSERT_EQ(with.router, without.router);
      ASSERT_EQ(with.distance, without.distance);
      ASSERT_GE(with.hidden, hidden);
      ASSERT_EQ(without.hidden, 0);
      // What a label tells is what was passed since the router before.
      if (with.labelled > 0 && with.event == Landing::Event::kExpired) {
        ASSERT_EQ(with.labelled, 3);
        ASSERT_EQ(with.hidden, hidden + 3);
        ++labelled;
      }
      hidden = with.hidden;
    }
  }
  EXPECT_GT(labelled, 100U);
}

// Held against the figures that are known of the Internet.
TEST(Check, TheDefaultInternetLooksLikeTheRealOne) {
  size_t count = 0;
  for (const Figure& figure : CheckLab({}, {})) {
    EXPECT_TRUE(figure.fits)
        << figure.name << " " << figure.measured << " " << figure.wanted;
    ++count;
  }
  EXPECT_EQ(count, 27U);
}

TEST(Check, ACleanLabDoesNot) {
  size_t off = 0;
  for (const Figure& figure :
       CheckLab(Clean(), {.targets = 1000, .blocks = 100})) {
    off += figure.fits ? 0 : 1;
  }
  EXPECT_GT(off, 5U);
}

}  // namespace
}  // namespace fathom::lab
