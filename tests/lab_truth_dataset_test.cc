#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "src/lab/tally.h"
#include "src/lab/truth_dataset.h"
#include "tests/dataset_contents.h"
#include "tests/lab_testing.h"
#include "tests/temporary_directory.h"

namespace fathom::lab {
namespace {

constexpr Sight kSights[] = {Sight::kOneFlow, Sight::kAnyFlow,
                             Sight::kEverything};

struct CountedRow {
  uint64_t name = 0;
  uint64_t count = 1;

  uint64_t key() const { return name; }
  void Merge(const CountedRow& other) { count += other.count; }
};

TEST(Tally, CountsWhatAMapCounts) {
  std::mt19937_64 random(3);
  for (const uint64_t names : {3U, 20'000U, 500'000U}) {
    Tally<CountedRow> tally(5'000);
    std::map<uint64_t, uint64_t> expected;
    for (int i = 0; i < 200'000; ++i) {
      const uint64_t name = random() % names;
      tally.Add({name});
      ++expected[name];
    }
    const auto rows = tally.Take();
    ASSERT_EQ(rows.size(), expected.size());
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), expected.begin(),
                           [](const CountedRow& row, const auto& entry) {
                             return row.name == entry.first &&
                                    row.count == entry.second;
                           }));
  }
}

// The truth of the scenario's targets, written and read back.
struct Written {
  TruthCounts counts;
  Contents contents;
};

Written WriteAndRead(const Scenario& scenario,
                     const std::vector<uint32_t>& targets,
                     const TruthOptions& options) {
  const TemporaryDirectory directory;
  const auto writer = CreateDataset(directory.Path("truth"));
  const auto counts = WriteTruth(scenario, targets, options, *writer);
  EXPECT_TRUE(counts.ok()) << counts.status();
  EXPECT_TRUE(writer->Finish("{}").ok());
  // The reader checks that rows are in order.
  const auto contents = ReadDataset(directory.Path("truth"));
  EXPECT_TRUE(contents.ok()) << contents.status();
  return {*counts, *contents};
}

Scenario Scenarios(int i) {
  Scenario scenario = i == 0 ? Clean() : Lively();
  scenario.space = {*Prefix::Parse("4.4.0.0/15")};
  if (i == 2) scenario.diamonds.fill(1);
  if (i == 2) scenario.loops[5] = 0.3;
  return scenario;
}

TEST(TruthDataset, HoldsTheLinksThatThereAre) {
  for (int i = 0; i < 3; ++i) {
    const Scenario scenario = Scenarios(i);
    const Truth truth(scenario);
    const auto targets = Targets(scenario);
    for (const Sight sight : kSights) {
      const Written written =
          WriteAndRead(scenario, targets, {.sight = sight, .seed = 8});
      const auto keys = [](uint32_t target) {
        return CanonicalKeys(kSource, target, 8);
      };
      std::vector<TrueLink> expected = truth.Links(targets, keys, sight);
      std::erase_if(expected, [](const TrueLink& link) {
        return link.kind == LinkKind::kLoopBack;
      });
      ASSERT_EQ(written.contents.links.size(), expected.size());
      EXPECT_EQ(written.counts.links, expected.size());
      for (size_t j = 0; j < expected.size(); ++j) {
        const Link& link = written.contents.links[j];
        ASSERT_EQ(link.near.v4(), expected[j].near);
        ASSERT_EQ(link.far.v4(), expected[j].far);
        ASSERT_EQ((link.flags & kLinkToDestination) != 0,
                  expected[j].kind == LinkKind::kToHost);
      }
    }
  }
}

struct Facts {
  uint32_t target = 0;
  uint64_t paths = 0;
  uint64_t looping = 0;
  uint8_t min_ttl = 255;
};
using FactsByLink = std::map<std::pair<uint32_t, uint32_t>, Facts>;

// A naive count, path by path.
FactsByLink Count(const Truth& truth, const std::vector<uint32_t>& targets) {
  FactsByLink all;
  for (const uint32_t target : targets) {
    const FlowKeys keys = CanonicalKeys(kSource, target, 0);
    std::map<uint32_t, uint8_t> distances;
    truth.VisitHops(target, keys, Sight::kAnyFlow, [&](const TrueHop& hop) {
      const auto at = distances.emplace(hop.address, hop.distance).first;
      at->second = std::min(at->second, hop.distance);
    });
    const LinkSet links = LinksOf(truth, target, keys, Sight::kAnyFlow);
    const bool loops = std::any_of(
        links.begin(), links.end(),
        [](const TrueLink& link) { return link.kind == LinkKind::kLoopBack; });
    for (const TrueLink& link : links) {
      if (link.kind == LinkKind::kLoopBack) continue;
      Facts& facts = all[{link.near, link.far}];
      if (facts.paths++ == 0) facts.target = target;
      if (loops) ++facts.looping;
      facts.min_ttl = std::min(facts.min_ttl, distances.at(link.near));
    }
  }
  return all;
}

TEST(TruthDataset, CountsPathsAndDistancesOfLinks) {
  const Scenario scenario = Scenarios(2);
  const Truth truth(scenario);
  // All targets, and then those alone whose paths loop.
  auto targets = Targets(scenario);
  for (const bool only_loops : {false, true}) {
    if (only_loops) {
      std::erase_if(targets, [&](uint32_t target) {
        return truth.topology().RouteTo(target).end != RouteEnd::kLoop;
      });
    }
    const FactsByLink expected = Count(truth, targets);
    const Written written = WriteAndRead(scenario, targets, {});
    ASSERT_EQ(written.contents.links.size(), expected.size());
    size_t in_loops = 0;
    for (const Link& link : written.contents.links) {
      const Facts& facts = expected.at({link.near.v4(), link.far.v4()});
      ASSERT_EQ(link.paths, facts.paths);
      ASSERT_EQ(link.target.v4(), facts.target);
      ASSERT_EQ(link.min_ttl.value(), facts.min_ttl);
      ASSERT_EQ((link.flags & kLinkInLoop) != 0, facts.looping == facts.paths);
      in_loops += (link.flags & kLinkInLoop) != 0 ? 1 : 0;
    }
    EXPECT_TRUE(!only_loops || in_loops > 0);
  }
}

TEST(TruthDataset, HoldsWhoAnswersAtEachDistance) {
  const Scenario scenario = Scenarios(2);
  const Truth truth(scenario);
  const auto targets = Targets(scenario);
  for (const Sight sight : kSights) {
    using Row = std::tuple<uint32_t, uint8_t, uint32_t, bool>;
    std::set<Row> expected;
    std::set<uint32_t> routers, hosts;
    for (const uint32_t target : targets) {
      truth.VisitHops(target, CanonicalKeys(kSource, target, 3), sight,
                      [&](const TrueHop& hop) {
                        (hop.host ? hosts : routers).insert(hop.address);
                        expected.emplace(target, hop.distance, hop.address,
                                         hop.host);
                      });
    }
    const Written written =
        WriteAndRead(scenario, targets, {.sight = sight, .seed = 3});
    std::set<Row> rows;
    for (const Reply& reply : written.contents.replies) {
      EXPECT_EQ(reply.rtt, kUnknownRtt);
      rows.emplace(reply.probe.target.v4(), reply.probe.ttl.value(),
                   reply.responder.v4(), reply.kind == ReplyKind::kDestination);
    }
    EXPECT_EQ(rows.size(), written.contents.replies.size());
    EXPECT_EQ(rows, expected);
    EXPECT_EQ(written.counts.hops, rows.size());
    EXPECT_EQ(written.counts.routers, routers.size());
    EXPECT_EQ(written.counts.hosts, hosts.size());
  }
}

TEST(TruthDataset, AnotherSeedTakesOtherBranches) {
  const Scenario scenario = Scenarios(2);
  const auto targets = Targets(scenario);
  const auto links = [&](Sight sight, uint64_t seed) {
    return WriteAndRead(scenario, targets, {.sight = sight, .seed = seed})
        .contents.links;
  };
  EXPECT_EQ(links(Sight::kOneFlow, 1), links(Sight::kOneFlow, 1));
  EXPECT_NE(links(Sight::kOneFlow, 1), links(Sight::kOneFlow, 2));
  EXPECT_EQ(links(Sight::kAnyFlow, 1), links(Sight::kAnyFlow, 2));
}

}  // namespace
}  // namespace fathom::lab
