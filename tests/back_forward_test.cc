// The strategy back_forward: the laws of its parts, and whole scans in virtual
// time beside those of the sweep.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/base/hash.h"
#include "src/engine/scan.h"
#include "src/lab/scenario.h"
#include "src/strategy/path_walk.h"
#include "src/strategy/stop_set.h"
#include "src/strategy/traces.h"
#include "src/strategy/yields.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

TEST(SpreadOrder, BeginsEveryTargetOnce) {
  for (const size_t size : {0U, 1U, 2U, 3U, 5U, 64U, 100U, 1023U, 5000U}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const SpreadOrder order(size, seed);
      std::vector<bool> begun(size);
      for (uint64_t place = 0; place < order.places(); ++place) {
        const auto index = order(place);
        if (!index) continue;
        ASSERT_LT(*index, size);
        ASSERT_FALSE(begun[*index]);
        begun[*index] = true;
      }
      EXPECT_EQ(std::count(begun.begin(), begun.end(), true),
                static_cast<std::ptrdiff_t>(size));
    }
  }
}

// The first 2^k targets stand in as many equal parts of the list.
TEST(SpreadOrder, FillsTheListEvenly) {
  const SpreadOrder order(4096, 9);
  for (uint64_t parts = 1; parts <= 4096; parts *= 2) {
    std::set<uint64_t> hit;
    for (uint64_t place = 0; place < parts; ++place) {
      hit.insert(*order(place) * parts / 4096);
    }
    EXPECT_EQ(hit.size(), parts);
  }
}

// All that are a stride apart have been begun when the level is through.
TEST(SpreadOrder, GivesTheStrideOfItsLevel) {
  const SpreadOrder order(1024, 3);
  std::vector<uint64_t> begun_at(1024);
  for (uint64_t place = 0; place < 1024; ++place)
    begun_at[*order(place)] = place;
  for (size_t index = 0; index < 1024; ++index) {
    const size_t stride = order.Stride(index);
    const uint64_t level_end = 1024 / stride;
    EXPECT_LT(begun_at[index], level_end);
    for (size_t other = index % stride; other < 1024; other += stride) {
      EXPECT_LT(begun_at[other], level_end);
    }
  }
}

TargetSet Slash24s(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i)
    addresses.push_back(0x0a000001 + i * 256);
  return TargetSet(std::move(addresses));
}

// Against a plain reckoning of what the paths of all the others say.
TEST(Traces, TellWhatNeighboursHeard) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    const TargetSet targets = Slash24s(8);
    const SpreadOrder order(8, static_cast<uint64_t>(round));
    // The last to be begun is the one that all others are near to.
    const size_t self = *order(7);
    Traces traces(targets, order);
    std::array<int, 64> heard{}, silent{};
    int latest = 0;
    for (size_t i = 0; i < 8; ++i) {
      traces.Begin(i);
      if (i == self) continue;
      const int low = 1 + static_cast<int>(random() % 30);
      TtlSet asked = TtlBit(low), answered = 0;
      for (int ttl = low; ttl < low + static_cast<int>(random() % 30); ++ttl) {
        asked |= TtlBit(ttl);
        if (random() % 2 == 0) answered |= TtlBit(ttl);
      }
      traces.Finish(i, {asked, answered, 0, false});
      // Only those of the same /22 are about as near as the nearest.
      const int shared = std::countl_zero(targets[i].v4() ^ targets[self].v4());
      if (shared < 23 - 3) continue;
      for (int ttl = 1; ttl < 64; ++ttl) {
        heard[ttl] += (answered & TtlBit(ttl)) != 0 ? 1 : 0;
        silent[ttl] += (asked & ~answered & TtlBit(ttl)) != 0 ? 1 : 0;
      }
      latest = std::max(latest, HighestTtl(answered));
    }
    const Vicinity vicinity = traces.Around(self);
    EXPECT_TRUE(vicinity.known);
    EXPECT_EQ(vicinity.latest, latest);
    for (int ttl = 1; ttl < 64; ++ttl) {
      const auto in = [ttl](TtlSet set) { return (set & TtlBit(ttl)) != 0; };
      EXPECT_EQ(in(vicinity.heard), heard[ttl] > 0);
      EXPECT_EQ(in(vicinity.silent), heard[ttl] == 0 && silent[ttl] == 1);
      EXPECT_EQ(in(vicinity.quiet), heard[ttl] == 0 && silent[ttl] > 1);
    }
  }
}

TEST(Traces, ExpectTheBranchThatNeighboursLeftAt) {
  const TargetSet targets = Slash24s(16);
  const SpreadOrder order(16, 1);
  Traces traces(targets, order);
  const size_t self = *order(15);
  for (size_t i = 0; i < 16; ++i) {
    traces.Begin(i);
    if (i == self) continue;
    const TtlSet path = TtlBit(8) | TtlBit(9) | TtlBit(10);
    traces.Finish(i, {path, path, 8, false});
  }
  const Vicinity vicinity = traces.Around(self);
  EXPECT_EQ(vicinity.branch, 8);
  EXPECT_TRUE(vicinity.tight);
  EXPECT_GT(vicinity.agreeing, 1);
  EXPECT_EQ(vicinity.end, 10);
  EXPECT_EQ(vicinity.live, vicinity.near);
}

TEST(Traces, KnowNoNeighboursBeyondTheirPrefix) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 1; i < 16; ++i) addresses.push_back(i << 24 | 1);
  const TargetSet targets{std::move(addresses)};
  Traces traces(targets, SpreadOrder(targets.size(), 0));
  for (size_t i = 0; i < targets.size(); ++i) {
    traces.Begin(i);
    traces.Finish(i, {TtlBit(5), TtlBit(5), 4, false});
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    EXPECT_FALSE(traces.Around(i).known);
  }
}

// TTLs at both ends of what there is.
TEST(Traces, HoldPathsOfSixtyThreeHops) {
  const TargetSet targets = Slash24s(2);
  const SpreadOrder order(2, 0);
  Traces traces(targets, order);
  traces.Begin(0);
  traces.Begin(1);
  const TtlSet all = ~TtlSet{1};
  traces.Finish(0, {all, all, 63, false});
  const Vicinity vicinity = traces.Around(1);
  EXPECT_EQ(vicinity.heard & 0x1'ffff'ffff, TtlSet{0x1'ffff'fffe});
  EXPECT_EQ(vicinity.quiet, 0U);
}

TEST(StopSet, TellsWaysInApart) {
  KnownRouter router;
  EXPECT_FALSE(router.Enter(0));
  std::set<uint32_t> entered;
  for (uint32_t i = 1; i <= 8; ++i) {
    EXPECT_TRUE(router.Enter(i << 16 | 1));
    EXPECT_FALSE(router.Enter(i << 16 | 1));
    EXPECT_EQ(router.ways(), i);
  }
  EXPECT_FALSE(router.Enter(9U << 16));
  EXPECT_EQ(router.ways(), 8);
  EXPECT_EQ(router.tries(), 18);
  for (int i = 0; i < 1000; ++i) router.Enter(0);
  EXPECT_EQ(router.tries(), 255);
}

TEST(StopSet, KeepsTheShareOfPathsThatGoOn) {
  KnownRouter router;
  for (int i = 0; i < 10'000; ++i) router.Leave(i % 4 == 0);
  EXPECT_NEAR(router.followed() * 3, router.ended(), 6);
}

TEST(StopSet, TakesInNoMoreThanItsBound) {
  StopSet routers;
  for (uint32_t i = 1; i <= StopSet::kMost + 1000; ++i) {
    ASSERT_TRUE(routers.Meet(i, 9).fresh);
  }
  EXPECT_NE(routers.Find(StopSet::kMost), nullptr);
  EXPECT_EQ(routers.Find(StopSet::kMost + 1), nullptr);
  EXPECT_FALSE(routers.Meet(1, 9).fresh);
  EXPECT_TRUE(routers.Meet(StopSet::kMost + 1, 9).fresh);
}

// Where a path shows a router that others showed nearer, a loop is told from a
// longer way by asking up to there.
TEST(PathWalk, AsksBackToWhereALoopMayBegin) {
  for (const int nearest : {3, 5, 7, 8, 9}) {
    PathWalk::Knowledge knowledge{Yields(PathWalk::Contexts(), 1), StopSet()};
    const PathWalk::Bounds bounds{1, 32, 4, 40};
    knowledge.routers.Meet(77, nearest);
    // It is so well known that nobody would go on before it.
    for (int i = 0; i < 200; ++i) knowledge.routers.Find(77)->Enter(5 << 16);
    PathWalk walk({}, 9, bounds);
    ASSERT_EQ(walk.Next(knowledge, bounds).forward, 9);
    walk.Hear(9, 77, ReplyKind::kHop, knowledge);
    std::set<int> asked;
    while (true) {
      const PathWalk::Step step = walk.Next(knowledge, bounds);
      if (step.back == 0 && step.forward == 0) break;
      for (const int ttl : {step.back, step.forward}) {
        if (ttl == 0) continue;
        ASSERT_TRUE(asked.insert(ttl).second);
        walk.Miss(ttl, knowledge);
      }
    }
    for (int ttl = nearest; ttl < 9 && nearest <= 7; ++ttl) {
      EXPECT_TRUE(asked.contains(ttl)) << nearest << " " << ttl;
    }
  }
}

TEST(Yields, FollowWhatProbesBring) {
  Yields yields(3, 1);
  const auto worth = [&](size_t context, Yields::Share least) {
    int times = 0;
    for (uint64_t salt = 0; salt < 1000; ++salt) {
      times += yields.Worth({context, 500, least, salt}) ? 1 : 0;
    }
    return times;
  };
  EXPECT_EQ(worth(1, 500), 1000);
  // Only the exploration is left.
  EXPECT_LT(worth(1, 501), 100);
  EXPECT_GT(worth(1, 501), 0);
  for (int i = 0; i < 200'000; ++i) yields.Learn(1, 1, i % 10 == 0 ? 1 : 0);
  EXPECT_EQ(worth(1, 90), 1000);
  EXPECT_LT(worth(1, 110), 100);
  EXPECT_EQ(worth(2, 500), 1000);
  // It changes its mind within its memory.
  for (int i = 0; i < 200'000; ++i) yields.Learn(1, 1, 1);
  EXPECT_EQ(worth(1, 800), 1000);
}

struct Found {
  ScanResult result;
  std::set<std::pair<uint32_t, uint32_t>> links;
  std::set<uint32_t> interfaces;
};

class BackForwardTest : public testing::Test {
 protected:
  Found Scan(const lab::Scenario& scenario, const TargetSet& targets,
             const std::string& strategy, uint64_t pps = 50'000) {
    const auto backend = OpenSimulated(scenario, {}, nullptr);
    EXPECT_TRUE(backend.ok()) << backend.status();
    const std::string path =
        directory_.Path(strategy + std::to_string(++scans_));
    auto result = RunScan(**backend, targets, PrefixSet(),
                          {.dataset = path,
                           .strategy = strategy,
                           .pps = pps,
                           .seed = 7,
                           .cooldown = std::chrono::seconds(20)},
                          {});
    EXPECT_TRUE(result.ok()) << result.status();
    Found found{*std::move(result), {}, {}};
    Read(path, found);
    return found;
  }

 private:
  static void Read(const std::string& path, Found& found) {
    const auto reader = OpenDataset(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    for (auto replies = (*reader)->NextReplies(); !replies->empty();
         replies = (*reader)->NextReplies()) {
      for (const Reply& reply : *replies) {
        found.interfaces.insert(reply.responder.v4());
      }
    }
    for (auto links = (*reader)->NextLinks(); !links->empty();
         links = (*reader)->NextLinks()) {
      for (const Link& link : *links) {
        if (link.gap == 0) found.links.emplace(link.near.v4(), link.far.v4());
      }
    }
  }

  TemporaryDirectory directory_;
  int scans_ = 0;
};

lab::Scenario InTheTree(const std::string& name) {
  return *lab::ReadScenario(FATHOM_SCENARIOS "/" + name + ".lab");
}

// What the sweep has too, over all that it has.
template <typename Set>
double Share(const Set& found, const Set& swept) {
  std::vector<typename Set::value_type> both;
  std::set_intersection(found.begin(), found.end(), swept.begin(), swept.end(),
                        std::back_inserter(both));
  return static_cast<double>(both.size()) / static_cast<double>(swept.size());
}

TEST_F(BackForwardTest, FindsNearlyAllForAThirdOfTheProbes) {
  const TargetSet targets = Slash24s(16'384);
  for (const char* const name : {"wire", "clean", "rate-limited"}) {
    SCOPED_TRACE(name);
    const Found swept = Scan(InTheTree(name), targets, "sweep");
    const Found found = Scan(InTheTree(name), targets, "back_forward");
    EXPECT_EQ(found.result.end, ScanEnd::kDone);
    EXPECT_LT(found.result.counts.sent * 3, swept.result.counts.sent);
    EXPECT_EQ(found.result.links.repeats, 0U);
    EXPECT_GT(Share(found.interfaces, swept.interfaces), 0.97);
    EXPECT_GT(Share(found.links, swept.links), 0.93);
  }
}

// No round is waited out: some round trips and silences after each other.
TEST_F(BackForwardTest, EndsSoonWithFewTargets) {
  for (const size_t count : {1U, 100U, 1000U}) {
    const Found found =
        Scan(InTheTree("wire"), Slash24s(count), "back_forward");
    EXPECT_LT(found.result.sending_end - found.result.start,
              std::chrono::seconds(15))
        << count;
    EXPECT_FALSE(found.interfaces.empty());
  }
}

// Whatever the rate, each cell at most once.
TEST_F(BackForwardTest, RepeatsNoProbe) {
  for (const uint64_t pps : {2'000U, 1'000'000U}) {
    const Found found =
        Scan(InTheTree("hostile"), Slash24s(512), "back_forward", pps);
    EXPECT_EQ(found.result.links.repeats, 0U);
    EXPECT_LT(found.result.counts.sent, 512U * 20);
  }
}

}  // namespace
}  // namespace fathom
