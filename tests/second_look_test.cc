// Which cells a second look asks again, against the rules once more and as
// plainly as possible.

#include "src/links/second_look.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "src/base/key_filter.h"
#include "src/links/hole_census.h"
#include "src/links/link_builder.h"
#include "src/links/reply_spool.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(KeyFilter, NeverForgetsAndSeldomInvents) {
  constexpr uint64_t kKeys = 100'000;
  KeyFilter filter(kKeys);
  for (uint64_t i = 0; i < kKeys; ++i) filter.Add(Derive(1, i));
  uint64_t invented = 0;
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(filter.Has(Derive(1, i)));
    ASSERT_FALSE(filter.Add(Derive(1, i)));
    invented += filter.Has(Derive(2, i)) ? 1 : 0;
  }
  EXPECT_LT(invented, kKeys / 100);
}

// Paths that share routers, with holes, silent routers, changes of route and
// balancers, asked once to four times.
std::vector<Reply> SmallWorld(Random& random) {
  std::vector<Reply> replies;
  const uint64_t targets = 1 + Below(random, 12);
  const uint64_t width = 1 + Below(random, 3);
  const uint64_t loss = 2 + Below(random, 6);
  const uint64_t times = 1 + Below(random, 4);
  for (uint64_t target = 0; target < targets; ++target) {
    const uint64_t length = 3 + Below(random, 9);
    for (uint64_t ttl = 1; ttl <= length; ++ttl) {
      for (uint64_t time = 0; time < times; ++time) {
        if (Below(random, loss) == 0 || ttl % 5 == 3) continue;
        const uint64_t branch =
            Below(random, 5) == 0 ? Below(random, width) : target % width;
        Reply reply;
        reply.probe = {IpAddress::V4(static_cast<uint32_t>(1000 + target)),
                       Ttl(static_cast<uint8_t>(ttl)),
                       FlowId(static_cast<uint16_t>(target % 2))};
        reply.responder = IpAddress::V4(
            static_cast<uint32_t>(0x0a000000 + ttl * 16 + branch));
        reply.rtt = milliseconds(20);
        reply.received = Instant(seconds(60 * time + Below(random, 60)));
        if (ttl == length && target % 3 == 0) {
          reply.kind = ReplyKind::kDestination;
          reply.responder = reply.probe.target;
        }
        replies.push_back(reply);
      }
    }
  }
  return replies;
}

// The same world, every second time with addresses of IPv6.
std::vector<Reply> WorldOf(uint64_t seed, Random& random) {
  std::vector<Reply> replies = SmallWorld(random);
  if (seed % 2 == 0) return replies;
  for (Reply& reply : replies) {
    for (IpAddress* address : {&reply.probe.target, &reply.responder}) {
      *address = IpAddress::V6(0x20010db800000000, address->v4());
    }
  }
  return replies;
}

struct PathLinks {
  Path path;
  std::vector<Link> links;
};

std::vector<PathLinks> PathsOf(const std::vector<Reply>& replies) {
  LinkStats unused;
  PathBuilder paths(unused);
  LinkBuilder builder(std::chrono::hours(1), unused, true);
  std::vector<PathLinks> all;
  const auto sink = [&](const Path& path) {
    all.push_back({path, {}});
    builder.Build(path, all.back().links);
  };
  paths.Add(Sorted(replies), sink);
  paths.Finish(sink);
  return all;
}

// So many hops before a router.
using Place = std::pair<IpAddress, int>;

// Where somebody answers, by comparing every pair of cells that are joined by
// links.
std::set<Place> Known(const std::vector<PathLinks>& paths) {
  std::set<Place> known;
  for (const auto& [path, links] : paths) {
    for (size_t i = 0; i < links.size(); ++i) {
      const int begin = links[i].min_ttl.value();
      for (size_t j = i; j < links.size(); ++j) {
        const int near = links[j].min_ttl.value();
        if (j > i &&
            (links[j - 1].far != links[j].near ||
             links[j - 1].min_ttl.value() + links[j - 1].gap + 1 != near)) {
          break;
        }
        const int distance = near + links[j].gap + 1 - begin;
        if (distance <= kMaxGap) known.emplace(links[j].far, distance);
      }
    }
  }
  return known;
}

// Ordered as questions are.
struct Question {
  IpAddress target;
  uint16_t flow;
  uint8_t ttl;

  friend auto operator<=>(const Question&, const Question&) = default;
};

std::vector<Question> List(const Questions& questions) {
  std::vector<Question> list;
  for (size_t i = 0; i < questions.size(); ++i) {
    const Probe probe = questions[i];
    list.push_back({probe.target, probe.flow.value(), probe.ttl.value()});
  }
  return list;
}

struct Hole {
  Question question;
  Place place;
};

std::vector<Hole> Holes(const std::vector<PathLinks>& paths) {
  std::vector<Hole> holes;
  for (const auto& [path, links] : paths) {
    for (const Link& link : links) {
      for (int place = 1; place <= link.gap && link.gap <= kMaxGap; ++place) {
        holes.push_back({{path.target, path.flow.value(),
                          static_cast<uint8_t>(link.min_ttl.value() + place)},
                         {link.far, link.gap + 1 - place}});
      }
    }
  }
  return holes;
}

class SecondLookTest : public testing::Test {
 protected:
  std::unique_ptr<SpoolReader> Spool(const std::vector<Reply>& replies) {
    const std::string path =
        directory_.File("spool" + std::to_string(++spools_));
    auto spool = *ReplySpool::Create(
        path, {.boundaries = {IpAddress::V4(1003), IpAddress::V4(1007)}});
    spool->inlet(0).Consume(Instant(), replies);
    EXPECT_TRUE(spool->Flush(Instant()).ok());
    return *SpoolReader::OpenBeside(path);
  }

  const TemporaryDirectory directory_;
  int spools_ = 0;
};

TEST(HoleCensus, AgreesWithComparingAllPathsWithAll) {
  uint64_t lost = 0, silent = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto paths = PathsOf(WorldOf(seed, random));
    const std::set<Place> known = Known(paths);
    HoleCensus census(1 << 16);
    for (const auto& path : paths) census.Add(path.links);
    const HoleCounts counts = census.Finish();
    HoleCounts expected;
    for (const auto& [path, links] : paths) {
      std::set<int> ttls;
      for (const Link& link : links) {
        ttls.insert(
            {link.min_ttl.value(), link.min_ttl.value() + link.gap + 1});
      }
      for (const int ttl : ttls) ++expected.ttls[ttl].answered;
    }
    for (const Hole& hole : Holes(paths)) {
      HoleCounts::AtTtl& at = expected.ttls[hole.question.ttl];
      ++(known.contains(hole.place) ? at.lost : at.silent);
    }
    ASSERT_EQ(counts, expected) << seed;
    lost += counts.Total().lost;
    silent += counts.Total().silent;
  }
  EXPECT_GT(lost, 100U);
  EXPECT_GT(silent, 1000U);
}

TEST(HoleCensus, EstimatesFromASampleWhatItHasNoRoomFor) {
  HoleCensus all(1 << 20), some(1 << 20, 2048);
  for (uint32_t i = 0; i < 40'000; ++i) {
    Link near, far;
    near.near = IpAddress::V4(i);
    near.far = far.near = IpAddress::V4(100'000 + i);
    far.far = IpAddress::V4(200'000 + i);
    near.min_ttl = Ttl(5);
    far.min_ttl = Ttl(6);
    const std::vector<Link> whole = {near, far};
    Link hole = near;
    hole.far = far.far;
    hole.gap = 1;
    for (HoleCensus* census : {&all, &some}) {
      if (i % 4 != 0) census->Add(whole);
      census->Add({&hole, 1});
    }
  }
  const auto exact = all.Finish().Total();
  EXPECT_EQ(exact.lost, 30'000U);
  EXPECT_EQ(exact.silent, 10'000U);
  const auto guess = some.Finish().Total();
  EXPECT_EQ(guess.answered, exact.answered);
  EXPECT_NEAR(static_cast<double>(guess.lost), 30'000, 3'000);
  EXPECT_NEAR(static_cast<double>(guess.silent), 10'000, 2'000);
}

TEST_F(SecondLookTest, AsksEveryHoleWhereSomebodyAnswersAndOneOfTheOthers) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const auto world = WorldOf(seed, random);
    const auto paths = PathsOf(world);
    const std::set<Place> known = Known(paths);
    for (const bool silent : {true, false}) {
      std::set<Question> expected;
      std::set<Place> once;
      for (const Hole& hole : Holes(paths)) {
        if (known.contains(hole.place) ||
            (silent && once.insert(hole.place).second)) {
          expected.insert(hole.question);
        }
      }
      const auto look = LookForHoles(*Spool(world), {.silent_places = silent});
      ASSERT_TRUE(look.ok()) << look.status();
      ASSERT_EQ(List(look->questions),
                std::vector<Question>(expected.begin(), expected.end()))
          << seed;
    }
  }
}

TEST_F(SecondLookTest, AsksBothCellsOfEachLinkThatIsNotConfirmedOnce) {
  uint64_t asked = 0, changed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const auto world = WorldOf(seed, random);
    std::set<std::pair<IpAddress, IpAddress>> done;
    const auto paths = PathsOf(world);
    for (const auto& [path, links] : paths) {
      for (const Link& link : links) {
        if (link.gap == 0 && (link.flags & kLinkDoubts) == 0) {
          done.emplace(link.near, link.far);
        }
      }
    }
    std::set<Question> expected;
    for (const auto& [path, links] : paths) {
      const auto ask = [&, &path = path](int ttl) {
        expected.insert(
            {path.target, path.flow.value(), static_cast<uint8_t>(ttl)});
      };
      for (const Link& link : links) {
        const int doubts = link.flags & kLinkDoubts;
        if (link.gap != 0 || doubts != kLinkUnverified ||
            !done.emplace(link.near, link.far).second) {
          continue;
        }
        ask(link.min_ttl.value());
        ask(link.min_ttl.value() + 1);
        ++asked;
      }
      for (const Cell& cell : path.cells) {
        if (cell.ambiguous && !cell.mixed && cell.answers < 3) {
          ask(cell.ttl.value());
          ++changed;
        }
        if (cell.ends_path) break;
      }
    }
    const auto look = LookForDoubts(*Spool(world), {});
    ASSERT_TRUE(look.ok()) << look.status();
    ASSERT_EQ(List(look->questions),
              std::vector<Question>(expected.begin(), expected.end()))
        << seed;
    EXPECT_EQ(look->left_out, 0U);
  }
  EXPECT_GT(asked, 300U);
  EXPECT_GT(changed, 200U);
}

TEST_F(SecondLookTest, LeavesOutWhatItHasNoRoomForAndSaysSo) {
  Random random(3);
  auto world = SmallWorld(random);
  while ((*LookForHoles(*Spool(world), {})).questions.size() < 6 ||
         (*LookForDoubts(*Spool(world), {})).questions.size() < 6) {
    world = SmallWorld(random);
  }
  for (const auto look : {&LookForHoles, &LookForDoubts}) {
    const auto all = *look(*Spool(world), {});
    ASSERT_GT(all.questions.size(), 5U);
    const auto some = *look(*Spool(world), {.max_questions = 5});
    EXPECT_EQ(some.left_out, all.questions.size() - 5);
    auto first = List(all.questions);
    first.resize(5);
    EXPECT_EQ(List(some.questions), first);
  }
}

TEST_F(SecondLookTest, AsksOnlySoManyHolesOfOnePlace) {
  // Of 300 paths, one shows the router in the middle.
  std::vector<Reply> replies;
  for (uint32_t target = 1; target <= 300; ++target) {
    for (uint8_t ttl = 1; ttl <= 3; ++ttl) {
      if (ttl == 2 && target != 77) continue;
      Reply reply;
      reply.probe = {IpAddress::V4(target), Ttl(ttl), FlowId(0)};
      reply.responder = IpAddress::V4(0x0a000000U + ttl);
      reply.rtt = milliseconds(1);
      replies.push_back(reply);
    }
  }
  const auto look = *LookForHoles(*Spool(replies), {});
  EXPECT_EQ(look.questions.size(), size_t{kRepairsPerPlace});
  for (const auto& question : List(look.questions)) EXPECT_EQ(question.ttl, 2);
}

}  // namespace
}  // namespace fathom
