// The multipath strategy: its stopping rule by the formula, and whole scans in
// virtual time against what the lab knows to be true.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/engine/scan.h"
#include "src/found/found.h"
#include "src/lab/network.h"
#include "src/lab/probe_packet.h"
#include "src/lab/score.h"
#include "src/strategy/balancers.h"
#include "src/strategy/stopping_rule.h"
#include "tests/lab_testing.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using lab::Scenario;

TEST(StoppingRule, IsTheLeastNumberThatTheFormulaAllows) {
  for (const double epsilon : {0.2, 0.05, 0.01, 0.001}) {
    const StoppingRule rule(epsilon);
    for (uint32_t k = 2; k < 200; ++k) {
      const auto missed = [k](uint32_t flows) {
        return k * std::pow((k - 1.0) / k, flows);
      };
      const uint32_t flows = rule.Enough(k - 1);
      EXPECT_LE(missed(flows), epsilon * (1 + 1e-6)) << k;
      EXPECT_GT(missed(flows - 1), epsilon * (1 - 1e-6)) << k;
    }
  }
}

TEST(StoppingRule, GivesThePublishedTable) {
  const StoppingRule rule(0.05);
  const std::vector<uint32_t> table = {6, 11, 16, 21, 27, 33, 39, 45, 51, 57};
  for (uint32_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(rule.Enough(i + 1), table[i]);
  }
}

// Whatever the order, classes are the components of what was joined, and their
// counts the sums of their members'.
TEST(Balancers, ClassesAreWhatWasJoined) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Balancers balancers(0.05);
    constexpr Node kNear = 7, kFirst = 100, kNodes = 12;
    std::vector<uint32_t> component(kNodes);
    for (Node i = 0; i < kNodes; ++i) {
      balancers.Add(kNear, kFirst + i);
      component[i] = i;
    }
    for (int joins = 0; joins < round % 12; ++joins) {
      const uint32_t a = random() % kNodes, b = random() % kNodes;
      balancers.Join(kNear, kFirst + a, kFirst + b);
      const uint32_t from = component[a], to = component[b];
      std::replace(component.begin(), component.end(), from, to);
    }
    for (Node i = 0; i < kNodes; ++i) {
      const auto width =
          std::count(component.begin(), component.end(), component[i]);
      EXPECT_EQ(balancers.Width(kNear, kFirst + i), width);
      std::set<Node> members;
      for (uint64_t r = 0; r < kNodes * kNodes; ++r) {
        members.insert(balancers.Pick(kNear, kFirst + i, r));
      }
      EXPECT_EQ(members.size(), static_cast<size_t>(width));
      for (Node j = 0; j < kNodes; ++j) {
        EXPECT_EQ(balancers.Together(kNear, kFirst + i, kFirst + j),
                  component[i] == component[j]);
      }
    }
  }
}

TEST(Balancers, MissesWhatTheRuleAsksForLessWhatWasSeenOrBegun) {
  Balancers balancers(0.05);
  balancers.Add(1, 2);
  EXPECT_EQ(balancers.Missing(1, 2), 6U);
  balancers.CountFlow(1, 2);
  balancers.Begin(1, 2);
  EXPECT_EQ(balancers.Missing(1, 2), 4U);
  balancers.End(1, 2);
  EXPECT_EQ(balancers.Missing(1, 2), 5U);
  balancers.Add(1, 3);
  balancers.Join(1, 2, 3);
  EXPECT_EQ(balancers.Missing(1, 3), 10U);
  balancers.SetPerPacket(1, 3);
  EXPECT_EQ(balancers.Missing(1, 2), 0U);
}

// How often every probe was sent, and to whom.
class Census final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    ++by_prefix[probe->ip.destination >> 8];
    addresses.insert(probe->ip.destination);
    ++probes;
  }

  std::map<uint32_t, uint32_t> by_prefix;
  std::set<uint32_t> addresses;
  uint64_t probes = 0;
};

struct Outcome {
  lab::Score score;
  double recall = 0;
  double precision = 0;
  Census census;
};

// 256 /24s with balancers wherever there is room, without limits and losses.
Scenario Balanced() {
  Scenario scenario = lab::Clean();
  scenario.diamonds.fill(1);
  scenario.diamonds[0] = 0;
  scenario.chain[5] = {3, 4};
  scenario.bare[5] = 0;
  scenario.widths = {3, 2, 2, 1, 0.3, 0};
  scenario.per_destination = 0.25;
  scenario.per_packet = 0;
  scenario.route_changes = 0;
  return scenario;
}

std::vector<uint32_t> TargetsOf(const Scenario& scenario) {
  std::vector<uint32_t> targets;
  lab::VisitSlash24s(scenario, [&](const Prefix& prefix) {
    targets.push_back(prefix.first().v4() + 1 +
                      static_cast<uint32_t>(targets.size()) % 100);
  });
  return targets;
}

void RunInto(const Scenario& scenario, ScanOptions options, Outcome& outcome,
             const PrefixSet& forbidden = {}) {
  const TemporaryDirectory directory;
  const std::vector<uint32_t> addresses = TargetsOf(scenario);
  const TargetSet targets(addresses);
  const auto backend = OpenSimulated(scenario, {}, &outcome.census);
  ASSERT_TRUE(backend.ok()) << backend.status();
  options.dataset = directory.Path("scan");
  options.strategy = "multipath";
  options.pps = 20'000;
  options.cooldown = std::chrono::seconds(3);
  const auto result = RunScan(**backend, targets, forbidden, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  const auto found = found::ReadFound(options.dataset, "auto");
  ASSERT_TRUE(found.ok()) << found.status();
  std::vector<lab::Claim> claims;
  for (const found::FoundLink& link : found->links) {
    claims.push_back({link.near, link.far, link.target, false});
  }
  const lab::Judge judge(scenario, addresses, 0, lab::Reach::kPrefixes);
  outcome.score = judge.Rate(claims, found->interfaces);
  outcome.recall = static_cast<double>(outcome.score.true_links) /
                   static_cast<double>(judge.any_flow().links);
  outcome.precision = static_cast<double>(outcome.score.true_links) /
                      static_cast<double>(outcome.score.links);
}

TEST(Multipath, FindsNearlyAllLinksForAPartOfTheProbes) {
  const Scenario scenario = Balanced();
  Outcome outcome;
  RunInto(scenario, {}, outcome);
  EXPECT_GE(outcome.recall, 0.97);
  EXPECT_EQ(outcome.precision, 1);
  // Six flows to sixteen TTLs of every /24 would be 96.
  EXPECT_LE(outcome.census.probes, 256U * 60);
}

// On average, as it is a matter of chance.
TEST(Multipath, FindsMoreTheSurerItShallBe) {
  std::vector<double> recall, probes;
  for (const double confidence : {0.3, 0.8, 0.99}) {
    recall.push_back(0);
    probes.push_back(0);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      Scenario scenario = Balanced();
      scenario.seed = seed;
      Outcome outcome;
      ScanOptions options;
      options.confidence = confidence;
      options.seed = seed;
      RunInto(scenario, options, outcome);
      recall.back() += outcome.recall;
      probes.back() += static_cast<double>(outcome.census.probes);
    }
  }
  EXPECT_TRUE(std::is_sorted(recall.begin(), recall.end()));
  EXPECT_TRUE(std::is_sorted(probes.begin(), probes.end()));
}

TEST(Multipath, SendsNoMoreToASlash24ThanAllowed) {
  for (const uint32_t limit : {1U, 5U, 20U, 60U}) {
    SCOPED_TRACE(limit);
    Outcome outcome;
    ScanOptions options;
    options.prefix_probes = limit;
    RunInto(Balanced(), options, outcome);
    for (const auto& [prefix, probes] : outcome.census.by_prefix) {
      EXPECT_LE(probes, limit);
    }
  }
}

TEST(Multipath, NeverProbesWhatIsForbidden) {
  // All upper halves.
  std::vector<Prefix> halves;
  for (uint32_t i = 0; i < 256; ++i) {
    halves.push_back(Prefix(IpAddress::V4(0x04040080 + (i << 8)), 25));
  }
  const auto in_them = [](uint32_t address) { return (address & 128) != 0; };
  Outcome outcome;
  RunInto(Balanced(), {}, outcome, PrefixSet::FromPrefixes(halves));
  EXPECT_TRUE(std::none_of(outcome.census.addresses.begin(),
                           outcome.census.addresses.end(), in_them));
}

// Balancers that go by the packet strew the packets of a flow over branches,
// and links from one to another are false.
TEST(Multipath, SeesThroughBalancersThatGoByThePacket) {
  Scenario scenario = Balanced();
  scenario.per_packet = 0.5;
  scenario.per_destination = 0;
  scenario.meshed = 0;
  scenario.diamond_length = {2, 3};
  Outcome outcome;
  RunInto(scenario, {}, outcome);
  EXPECT_GE(outcome.precision, 0.9);
  EXPECT_GE(outcome.recall, 0.8);
}

}  // namespace
}  // namespace fathom
