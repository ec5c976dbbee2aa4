// Scores, by laws: the truth scores full marks, every assertion is true or has
// one cause, and what is put in wrong comes out as wrong as it went in.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/simulated.h"
#include "fathom/registry.h"
#include "src/engine/scan.h"
#include "src/found/found.h"
#include "src/lab/score.h"
#include "src/lab/truth_dataset.h"
#include "tests/dataset_contents.h"
#include "tests/found_formats.h"
#include "tests/lab_testing.h"
#include "tests/temporary_directory.h"

namespace fathom::lab {
namespace {

using Edge = std::pair<uint32_t, uint32_t>;

uint64_t FalseLinks(const Score& score) {
  return std::accumulate(score.false_links.begin(), score.false_links.end(),
                         uint64_t{0});
}

uint64_t Of(const Score& score, Cause cause) {
  return score.false_links[static_cast<size_t>(cause)];
}

void ExpectConserved(const Score& score) {
  EXPECT_EQ(score.links, score.true_links + FalseLinks(score));
  EXPECT_EQ(score.interfaces,
            score.true_routers + score.true_hosts + score.false_interfaces);
}

std::vector<Claim> ToClaims(const found::FoundTopology& found) {
  std::vector<Claim> claims;
  for (const found::FoundLink& link : found.links) {
    claims.push_back(
        {link.near, link.far, link.target, (link.flags & kLinkDoubts) != 0});
  }
  return claims;
}

Score Rate(const Judge& judge, const std::string& path) {
  const auto found = found::ReadFound(path, "auto");
  EXPECT_TRUE(found.ok()) << found.status();
  const Score score = judge.Rate(ToClaims(*found), found->interfaces);
  ExpectConserved(score);
  return score;
}

Scenario Wide() {
  Scenario scenario = Lively();
  scenario.space = {*Prefix::Parse("4.4.0.0/14")};
  return scenario;
}

// Without what no scanner can know of: a scan of it asserts what is true.
Scenario Steady(Scenario scenario) {
  scenario.per_packet = 0;
  scenario.route_changes = 0;
  return scenario;
}

Scenario Forked() {
  Scenario scenario = Wide();
  scenario.diamonds.fill(1);
  scenario.meshed = 0.2;
  scenario.per_packet = 0.3;
  scenario.route_changes = 0;
  scenario.diamond_length = {2, 3};
  scenario.widths = {0, 0, 1, 1, 0, 0};
  scenario.per_destination = 0.3;
  scenario.loops[5] = 0.2;
  return scenario;
}

TEST(Score, TheTruthScoresFullMarksInEveryFormat) {
  for (const Scenario& scenario : {Clean(), Wide(), Forked()}) {
    const auto targets = Targets(scenario);
    const Judge judge(scenario, targets, 5);
    // Those that are read again as they are; the others hold less.
    for (const char* const name : {"csv", "jsonl", "parquet"}) {
      const FormatModule format = *Register<FormatModule>::Find(name);
      for (const Sight sight : {Sight::kAnyFlow, Sight::kOneFlow}) {
        const TemporaryDirectory directory;
        const std::string path = directory.Path("truth");
        const auto writer = format.create({.path = path});
        ASSERT_TRUE(WriteTruth(scenario, targets, {sight, 5}, **writer).ok());
        ASSERT_TRUE((*writer)->Finish("{}").ok());
        const Score score = Rate(judge, path);
        EXPECT_EQ(FalseLinks(score), 0U);
        EXPECT_EQ(score.false_interfaces, 0U);
        const TruthSizes& sizes =
            sight == Sight::kAnyFlow ? judge.any_flow() : judge.one_flow();
        EXPECT_EQ(score.true_links, sizes.links);
        if (std::string(format.name) == "parquet") {  // Which has hops too.
          EXPECT_EQ(score.true_routers, sizes.routers);
          EXPECT_EQ(score.true_hosts, sizes.hosts);
        }
      }
    }
  }
}

TEST(Score, SizesAreThoseOfTheTruth) {
  const Scenario scenario = Forked();
  const auto targets = Targets(scenario);
  const Truth truth(scenario);
  const Judge judge(scenario, targets, 5);
  const auto keys = [](uint32_t target) {
    return CanonicalKeys(kSource, target, 5);
  };
  for (const auto& [sight, sizes] :
       {std::pair(Sight::kOneFlow, judge.one_flow()),
        std::pair(Sight::kAnyFlow, judge.any_flow())}) {
    EXPECT_EQ(sizes.interfaces(),
              truth.Interfaces(targets, keys, sight).size());
    const auto links = truth.Links(targets, keys, sight);
    EXPECT_EQ(
        sizes.links,
        std::count_if(links.begin(), links.end(), [](const TrueLink& link) {
          return link.kind != LinkKind::kLoopBack;
        }));
  }
}

// Every pair of routers that could be mistaken for a link, by what the mistake
// would be. Built from distances and branches alone, as a check on Explainer.
class Mistakes {
 public:
  Mistakes(const Scenario& scenario, const std::vector<uint32_t>& targets)
      : truth_(scenario) {
    for (const uint32_t target : targets) {
      for (const TrueLink& link :
           LinksOf(truth_, target, Flow(target, 0), Sight::kAnyFlow)) {
        (link.kind == LinkKind::kLoopBack ? back_ : true_)
            .insert({link.near, link.far});
      }
    }
    for (const uint32_t target : targets) Collect(target);
  }

  // `count` of the mistakes, from all over, each once and apart from `taken`.
  std::vector<Claim> Draw(Cause cause, size_t count, std::set<Edge>& taken) {
    std::vector<Claim> drawn;
    std::vector<Claim>& all = claims_[cause];
    std::shuffle(all.begin(), all.end(), random_);
    for (const Claim& claim : all) {
      if (drawn.size() == count) break;
      if (taken.insert({claim.near, claim.far}).second) drawn.push_back(claim);
    }
    EXPECT_EQ(drawn.size(), count) << kCauseNames[static_cast<size_t>(cause)];
    return drawn;
  }

 private:
  void Collect(uint32_t target) {
    std::vector<TrueHop> hops;
    truth_.VisitHops(target, {}, Sight::kEverything,
                     [&](const TrueHop& hop) { hops.push_back(hop); });
    std::map<Edge, LinkKind> links;
    for (const TrueLink& link :
         LinksOf(truth_, target, {}, Sight::kEverything)) {
      links.emplace(Edge(link.near, link.far), link.kind);
    }
    const auto add = [&](Cause cause, uint32_t near, uint32_t far) {
      if (!true_.contains({near, far})) {
        claims_[cause].push_back({near, far, target});
      }
    };
    for (const TrueHop& near : hops) {
      add(Cause::kRewritten, near.address, 0xfa000000 + near.address % 9999);
      for (const TrueHop& far : hops) {
        if (near == far) continue;
        const auto link = links.find({near.address, far.address});
        const bool back = back_.contains({near.address, far.address});
        if (back) {
          add(Cause::kLoop, near.address, far.address);
        } else if (link != links.end()) {
          // Loops that no packet to these targets is in are left alone.
          if (link->second == LinkKind::kLoopBack) continue;
          add(Cause::kElsewhere, near.address, far.address);
        } else if (far.distance == near.distance + 1) {
          const Route route = truth_.topology().RouteTo(target);
          add(route.At(near.distance).segment->balancer == Balancer::kPerPacket
                  ? Cause::kPerPacket
                  : Cause::kFlowChanged,
              near.address, far.address);
        } else if (far.distance > near.distance) {
          add(Cause::kBridged, near.address, far.address);
        } else {
          add(Cause::kOther, near.address, far.address);
        }
      }
    }
  }

  const Truth truth_;
  std::mt19937_64 random_{17};
  std::set<Edge> true_;  // For any flow to some target.
  std::set<Edge> back_;  // Likewise, in loops.
  std::map<Cause, std::vector<Claim>> claims_;
};

TEST(Score, FindsAsManyMistakesOfEachKindAsWerePutIn) {
  const Scenario scenario = Forked();
  const auto targets = Targets(scenario);
  Mistakes mistakes(scenario, targets);
  const Judge judge(scenario, targets, 0);
  const std::map<Cause, size_t> amounts = {
      {Cause::kLoop, 3},         {Cause::kElsewhere, 20},
      {Cause::kRewritten, 101},  {Cause::kPerPacket, 11},
      {Cause::kFlowChanged, 57}, {Cause::kBridged, 60},
      {Cause::kOther, 40}};
  for (const bool target_known : {true, false}) {
    std::set<Edge> taken;
    std::vector<Claim> claims;
    for (const auto& [cause, amount] : amounts) {
      for (Claim claim : mistakes.Draw(cause, amount, taken)) {
        if (!target_known) claim.target = 0;
        claim.doubtful = cause == Cause::kLoop;
        claims.push_back(claim);
      }
    }
    std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
      return Edge(a.near, a.far) < Edge(b.near, b.far);
    });
    const Score score = judge.Rate(claims, {});
    ExpectConserved(score);
    EXPECT_EQ(score.true_links, 0U);
    EXPECT_EQ(score.false_doubtful, 3U);
    for (const auto& [cause, amount] : amounts) {
      EXPECT_EQ(Of(score, cause), amount)
          << kCauseNames[static_cast<size_t>(cause)] << ", target "
          << target_known;
    }
  }
}

// The near end from before a change and the far end from after it, or the
// other way round, at neighbouring distances.
TEST(Score, KnowsLinksAcrossAChangeOfRoute) {
  Scenario scenario = Wide();
  scenario.route_changes = 1;
  const auto targets = Targets(scenario);
  const Truth truth(scenario);
  const Judge judge(scenario, targets, 0);
  std::map<Edge, Claim> claims;
  for (const uint32_t target : targets) {
    const auto ages = truth.topology().AgesOf(target);
    if (ages.size() < 2) continue;
    const Route before = truth.topology().RouteTo(target, ages[0]);
    const Route after = truth.topology().RouteTo(target, ages[1]);
    const auto router = [](const Route& route, uint32_t distance) {
      const auto [segment, position] = route.At(distance);
      return segment->Router(position, 0);
    };
    std::set<uint32_t> on_after;
    for (uint32_t i = 1; i <= after.hops; ++i)
      on_after.insert(router(after, i));
    for (uint32_t i = 1; i < before.hops && i < after.hops; ++i) {
      const Claim claim = {router(before, i), router(after, i + 1), target};
      if (claim.near == claim.far || on_after.contains(claim.near)) continue;
      const LinkSet links = LinksOf(truth, target, {}, Sight::kEverything);
      const bool is_true =
          std::any_of(links.begin(), links.end(), [&](const TrueLink& link) {
            return link.near == claim.near && link.far == claim.far;
          });
      bool on_before = false;
      for (uint32_t j = 1; j <= before.hops; ++j) {
        on_before |= router(before, j) == claim.far;
      }
      if (!is_true && !on_before)
        claims.emplace(Edge(claim.near, claim.far), claim);
    }
  }
  std::vector<Claim> list;
  for (const auto& [edge, claim] : claims) list.push_back(claim);
  ASSERT_GT(list.size(), 20U);
  const Score score = judge.Rate(list, {});
  ExpectConserved(score);
  EXPECT_EQ(Of(score, Cause::kRouteChange), list.size());
}

TEST(Score, EveryAssertionIsTrueOrHasOneCause) {
  const Scenario scenario = Lively();
  const auto targets = Targets(scenario);
  const Judge judge(scenario, targets, 0);
  std::mt19937_64 random(2);
  for (int round = 0; round < 20; ++round) {
    std::map<Edge, Claim> claims;
    std::set<uint32_t> interfaces;
    // Addresses that may be routers', and some that may not.
    const auto draw = [&random] {
      return static_cast<uint32_t>(0x04040000 + random() % 0x4100);
    };
    for (int i = 0; i < 2000; ++i) {
      const Claim claim = {draw(), draw(), random() % 2 == 0 ? 0 : draw()};
      claims.emplace(Edge(claim.near, claim.far), claim);
      interfaces.insert(claim.near);
    }
    std::vector<Claim> list;
    for (const auto& [edge, claim] : claims) list.push_back(claim);
    const Score score = judge.Rate(
        list, std::vector<uint32_t>(interfaces.begin(), interfaces.end()));
    EXPECT_EQ(score.links, list.size());
    EXPECT_EQ(score.interfaces, interfaces.size());
    ExpectConserved(score);
  }
}

TEST(Score, NothingFoundIsNothingWrong) {
  const Scenario scenario = Lively();
  const Score score = Judge(scenario, Targets(scenario), 0).Rate({}, {});
  ExpectConserved(score);
  EXPECT_EQ(score.links + score.interfaces, 0U);
}

// Scans in virtual time, from the packet to the score.
class ScoredScanTest : public testing::Test {
 protected:
  std::string Scan(const Scenario& scenario,
                   const std::vector<uint32_t>& targets) {
    const auto backend = OpenSimulated(scenario, {}, nullptr);
    EXPECT_TRUE(backend.ok()) << backend.status();
    std::string path = directory_.Path("scan");
    const auto result =
        RunScan(**backend, TargetSet(targets), PrefixSet(),
                {.dataset = path, .pps = 20'000, .seed = 7}, {});
    EXPECT_TRUE(result.ok()) << result.status();
    return path;
  }

  TemporaryDirectory directory_;
};

TEST_F(ScoredScanTest, FindsAsMuchAsOneFlowCanWhereNothingHides) {
  const Scenario scenario = Clean();
  const auto targets = Targets(scenario);
  const Judge judge(scenario, targets, 7);
  const Score score = Rate(judge, Scan(scenario, targets));
  EXPECT_EQ(FalseLinks(score), 0U);
  EXPECT_EQ(score.false_interfaces, 0U);
  EXPECT_EQ(score.true_hosts, judge.one_flow().hosts);
  // Another flow than the canonical one, so about as much and not the same.
  const auto one = static_cast<double>(judge.one_flow().links);
  EXPECT_NEAR(static_cast<double>(score.true_links), one, 0.05 * one);
  EXPECT_LT(score.true_links, judge.any_flow().links);
}

TEST_F(ScoredScanTest, AssertsNothingFalseButWaysBackThatItDoubts) {
  for (const Scenario& scenario : {Steady(Wide()), Steady(Forked())}) {
    const auto targets = Targets(scenario);
    const Judge judge(scenario, targets, 7);
    const std::string path = Scan(scenario, targets);
    const Score score = Rate(judge, path);
    EXPECT_GT(score.true_links, 300U);
    EXPECT_EQ(FalseLinks(score), Of(score, Cause::kLoop));
    EXPECT_EQ(score.false_doubtful, FalseLinks(score));
    EXPECT_EQ(score.false_interfaces, 0U);
    std::filesystem::remove_all(path);
  }
}

TEST_F(ScoredScanTest, ScoresAlikeThroughCsvAndBack) {
  const auto targets = Targets(Wide());
  const Judge judge(Wide(), targets, 7);
  const std::string path = Scan(Wide(), targets);
  const Score whole = Rate(judge, path);
  const auto contents = ReadDataset(path);
  ASSERT_TRUE(contents.ok());
  for (const char* name : {"csv", "jsonl"}) {
    const std::string text = directory_.Path(name);
    const auto writer =
        Register<FormatModule>::Find(name)->create({.path = text});
    ASSERT_TRUE((*writer)->WriteLinks(contents->links).ok());
    ASSERT_TRUE((*writer)->Finish("{}").ok());
    const Score score = Rate(judge, text);
    EXPECT_EQ(score.links, whole.links);
    EXPECT_EQ(score.true_links, whole.true_links);
    EXPECT_EQ(score.false_links, whole.false_links);
    EXPECT_EQ(score.false_doubtful, whole.false_doubtful);
  }
}

TEST_F(ScoredScanTest, ScoresAlikeInTheFormOfEveryScanner) {
  const auto targets = Targets(Steady(Forked()));
  const Judge judge(Steady(Forked()), targets, 7);
  const auto contents = ReadDataset(Scan(Steady(Forked()), targets));
  ASSERT_TRUE(contents.ok());
  found::Scan hops;
  std::set<Edge> cells;  // Target, TTL.
  for (const Reply& reply : contents->replies) {
    // What refuses is the last router once more: nothing new, and not every
    // format can say it. Nor can mtr name two responders at one distance.
    if (reply.kind != ReplyKind::kHop &&
        reply.kind != ReplyKind::kDestination) {
      continue;
    }
    if (!cells.insert({reply.probe.target.v4(), reply.probe.ttl.value()})
             .second) {
      continue;
    }
    hops.push_back({.target = reply.probe.target.v4(),
                    .flow = 0,
                    .ttl = reply.probe.ttl.value(),
                    .responder = reply.responder.v4(),
                    .kind = reply.kind});
  }
  std::sort(hops.begin(), hops.end());
  std::optional<Score> first;
  for (const auto& [name, bytes] : found::InEveryFormat(hops)) {
    WriteFile(directory_.Path(name), bytes);
    const Score score = Rate(judge, directory_.Path(name));
    EXPECT_GT(score.true_links, 300U) << name;
    // Hops are read as the field does it, which does not cut loops.
    EXPECT_GT(Of(score, Cause::kLoop), 0U) << name;
    EXPECT_EQ(FalseLinks(score), Of(score, Cause::kLoop)) << name;
    if (!first) first = score;
    EXPECT_EQ(score.links, first->links) << name;
    EXPECT_EQ(score.true_links, first->true_links) << name;
    EXPECT_EQ(score.interfaces, first->interfaces) << name;
    EXPECT_EQ(score.true_hosts, first->true_hosts) << name;
  }
}

// A scanner that varies the address sees what no packet to the target itself
// would: it is true. Hosts count neither way, unless they are made up.
TEST(Score, OfPrefixesCountsWhatAnyAddressOfThemShows) {
  const Scenario scenario = Forked();
  const std::vector<uint32_t> targets = Targets(scenario);
  const Truth truth(scenario);
  std::set<Edge> routers, hosts;
  std::set<uint32_t> interfaces;
  for (const uint32_t target : targets) {
    for (const uint32_t octet : {7U, 77U, 177U}) {
      const uint32_t address = (target & ~255U) | octet;
      truth.VisitLinks(address, {}, Sight::kEverything,
                       [&](const TrueLink& link) {
                         if (link.kind == LinkKind::kLoopBack) return;
                         (link.kind == LinkKind::kToHost ? hosts : routers)
                             .emplace(link.near, link.far);
                       });
    }
  }
  std::set<Edge> all = routers;
  all.insert(hosts.begin(), hosts.end());
  std::vector<Claim> claims;
  for (const auto& [near, far] : all) claims.push_back({near, far});
  const Judge judge(scenario, targets, 0, Reach::kPrefixes);
  const Score score = judge.Rate(claims, {});
  ExpectConserved(score);
  EXPECT_FALSE(hosts.empty());
  EXPECT_EQ(score.host_links, hosts.size());
  EXPECT_EQ(score.true_links, routers.size());
  EXPECT_EQ(score.links, routers.size());
  EXPECT_EQ(judge.any_flow().links, routers.size());
  EXPECT_EQ(judge.any_flow().hosts, 0U);
  // A host behind another's router is none.
  const auto [near, far] = *hosts.begin();
  const std::vector<Claim> wrong = {{near + 1, far}};
  EXPECT_EQ(FalseLinks(judge.Rate(wrong, {})), 1U);
}

}  // namespace
}  // namespace fathom::lab
