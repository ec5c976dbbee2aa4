#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "src/lab/truth.h"
#include "tests/lab_testing.h"

namespace fathom::lab {
namespace {

TEST(Truth, AllFlowsTogetherSeeWhatAnyFlowCould) {
  Scenario scenario = Dense();
  scenario.diamonds.fill(1);
  scenario.per_destination = 0.3;
  scenario.loops[5] = 0.2;
  const Truth truth(scenario);
  size_t fewer_than_all = 0;
  const auto targets = Targets(scenario);
  for (size_t i = 0; i < targets.size(); i += 97) {
    const LinkSet any =
        LinksOf(truth, targets[i], Flow(targets[i], 0), Sight::kAnyFlow);
    LinkSet found;
    // A hundred branches take about 500 flows to see all of them.
    for (uint64_t flow = 0; flow < 2000; ++flow) {
      const LinkSet one =
          LinksOf(truth, targets[i], Flow(targets[i], flow), Sight::kOneFlow);
      ASSERT_LE(one.size(), any.size());
      found.insert(one.begin(), one.end());
    }
    ASSERT_EQ(found, any);
    const LinkSet all = LinksOf(truth, targets[i], {}, Sight::kEverything);
    ASSERT_TRUE(std::includes(all.begin(), all.end(), any.begin(), any.end()));
    fewer_than_all += any.size() < all.size() ? 1 : 0;
  }
  EXPECT_GT(fewer_than_all, 0U);
}

TEST(Truth, PerDestinationBalancersLookAtAddressesOnly) {
  Scenario scenario = Clean();
  scenario.diamonds.fill(1);
  scenario.per_destination = 1;
  const Truth truth(scenario);
  LinkSet seen;
  LinkSet all;
  // The addresses of two /24s between them take all branches of these.
  for (uint32_t target = 0x04040400; target < 0x04040600; ++target) {
    const LinkSet links =
        LinksOf(truth, target, Flow(target, 0), Sight::kOneFlow);
    for (uint64_t flow = 1; flow < 5; ++flow) {
      ASSERT_EQ(LinksOf(truth, target, Flow(target, flow), Sight::kOneFlow),
                links);
    }
    ASSERT_EQ(LinksOf(truth, target, Flow(target, 0), Sight::kAnyFlow), links);
    seen.insert(links.begin(), links.end());
    const LinkSet both = LinksOf(truth, target, {}, Sight::kEverything);
    all.insert(both.begin(), both.end());
  }
  EXPECT_EQ(seen, all);
  EXPECT_GT(all.size(), 50U);
}

TEST(Truth, ListsAreUnionsInOrder) {
  Scenario scenario = Dense();
  const Truth truth(scenario);
  const auto targets = Targets(scenario);
  const auto keys = [](uint32_t target) { return Flow(target, 5); };
  for (const Sight sight :
       {Sight::kOneFlow, Sight::kAnyFlow, Sight::kEverything}) {
    LinkSet links;
    std::set<uint32_t> interfaces;
    for (const uint32_t target : targets) {
      links.merge(LinksOf(truth, target, keys(target), sight));
      truth.VisitHops(target, keys(target), sight, [&](const TrueHop& hop) {
        interfaces.insert(hop.address);
      });
    }
    const auto listed = truth.Links(targets, keys, sight);
    EXPECT_TRUE(
        std::equal(listed.begin(), listed.end(), links.begin(), links.end()));
    const auto addresses = truth.Interfaces(targets, keys, sight);
    EXPECT_TRUE(std::equal(addresses.begin(), addresses.end(),
                           interfaces.begin(), interfaces.end()));
    EXPECT_GT(listed.size(), 100U);
    for (const TrueLink& link : listed) {
      ASSERT_TRUE(interfaces.contains(link.near));
      ASSERT_TRUE(interfaces.contains(link.far));
    }
  }
}

TEST(Truth, ListsEverySlash24Once) {
  Scenario scenario;
  scenario.space = {*Prefix::Parse("255.255.0.0/16"),
                    *Prefix::Parse("1.2.3.0/24"), *Prefix::Parse("4.0.0.0/20")};
  std::set<Prefix> seen;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    EXPECT_EQ(prefix.length(), 24);
    EXPECT_TRUE(seen.insert(prefix).second);
  });
  EXPECT_EQ(seen.size(), 256U + 1 + 16);
}

TEST(Truth, SamplesAreSpreadEvenly) {
  Scenario scenario;
  scenario.space = {*Prefix::Parse("9.9.9.0/24"), *Prefix::Parse("4.0.0.0/16"),
                    *Prefix::Parse("7.7.64.0/20")};
  std::vector<Prefix> all;
  VisitSlash24s(scenario, [&](const Prefix& p) { all.push_back(p); });
  ASSERT_EQ(CountSlash24s(scenario), all.size());
  for (const size_t count : {1, 2, 10, 100, 272, 273}) {
    std::vector<Prefix> sample;
    SampleSlash24s(scenario, count,
                   [&](const Prefix& p) { sample.push_back(p); });
    ASSERT_EQ(sample.size(), count);
    // One from each stretch, in order.
    for (size_t i = 0; i < count; ++i) {
      const auto found = std::find(all.begin(), all.end(), sample[i]);
      const auto index = static_cast<size_t>(found - all.begin());
      ASSERT_GE(index, all.size() * i / count);
      ASSERT_LT(index, all.size() * (i + 1) / count);
    }
  }
}

// What a sweep hears is what the truth says it could, link by link.
TEST(Truth, ASweepOfACleanLabFindsTheTruth) {
  Scenario scenario = Clean();
  scenario.space = {*Prefix::Parse("4.4.0.0/18")};
  const Truth truth(scenario);
  std::vector<uint32_t> targets;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    targets.push_back(prefix.first().v4() + 17);
  });
  std::set<std::pair<uint32_t, uint32_t>> found;
  for (const uint32_t target : targets) {
    uint32_t before = 0;
    for (uint8_t ttl = 1; ttl <= 40; ++ttl) {
      const Packet bytes =
          Ask(scenario, Make({.target = target, .ttl = ttl, .sequence = ttl}));
      const uint32_t hop = bytes.empty() ? 0 : Read(bytes).source;
      if (before != 0 && hop != 0 && before != hop) found.emplace(before, hop);
      before = hop;
    }
  }
  const auto keys = [](uint32_t target) {
    return ReadProbe(Make({.target = target}))->keys;
  };
  std::set<std::pair<uint32_t, uint32_t>> expected;
  for (const TrueLink& link : truth.Links(targets, keys, Sight::kOneFlow)) {
    expected.emplace(link.near, link.far);
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(found.size(), 100U);
}

}  // namespace
}  // namespace fathom::lab
