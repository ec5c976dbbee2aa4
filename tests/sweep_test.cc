// What the refinements of the sweep promise: fill, neighborhood and caps, each
// as laws over random networks, and all of them on the lab.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "backends/simulated.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"
#include "src/engine/scan.h"
#include "src/lab/fate.h"
#include "src/lab/scenario.h"
#include "src/strategy/limit_watch.h"
#include "src/strategy/neighborhood.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using Cell = std::pair<uint32_t, unsigned>;  // Target and TTL.

const Instant kStart{std::chrono::seconds(1'700'000'000)};

TargetSet SomeTargets(size_t count, uint64_t seed) {
  std::set<uint32_t> addresses;
  for (uint64_t i = 0; addresses.size() < count; ++i) {
    addresses.insert(static_cast<uint32_t>(Derive(seed, i)));
  }
  return TargetSet(std::vector<uint32_t>(addresses.begin(), addresses.end()));
}

// What the network answers: nothing, or a kind and a responder.
struct Answer {
  ReplyKind kind;
  uint32_t responder;
};
using Network = std::function<std::optional<Answer>(uint32_t target,
                                                    unsigned ttl, Instant now)>;

// Paths of 4 to 27 hops that share their first ones, one router in five silent.
std::optional<Answer> Tree(uint32_t target, unsigned ttl, Instant) {
  const unsigned distance = 4 + Mix(target) % 24;
  if (ttl >= distance) {
    if (target % 2 == 0) return std::nullopt;
    return Answer{ReplyKind::kDestination, target};
  }
  const uint64_t router = Derive(target >> (ttl < 8 ? 32 - 2 * ttl : 8), ttl);
  if (router % 5 == 0) return std::nullopt;
  return Answer{ReplyKind::kHop, static_cast<uint32_t>(router >> 32)};
}

struct Sent {
  Instant time;
  Cell cell;
};

// A scan in virtual time, with what was sent and heard.
struct Scan {
  std::vector<Sent> sent;
  std::map<Cell, ReplyKind> heard;
  uint64_t planned = 0;  // At first.
  Instant end;

  std::set<Cell> Cells() const {
    std::set<Cell> cells;
    for (const Sent& s : sent) cells.insert(s.cell);
    return cells;
  }
};

struct Conditions {
  Network network = &Tree;
  double loss = 0;
  uint64_t pps = 20'000;
  uint64_t seed = 1;
};

Scan Run(Strategy& strategy, const Conditions& conditions) {
  Scan scan;
  scan.planned = strategy.planned();
  std::mt19937_64 random(conditions.seed);
  std::multimap<Instant, Reply> under_way;
  Instant now = kStart;
  std::array<Probe, 20> batch;
  for (; !strategy.done(); now += Nanos(20'000'000'000 / conditions.pps)) {
    std::vector<Reply> due;
    while (!under_way.empty() && under_way.begin()->first <= now) {
      due.push_back(under_way.extract(under_way.begin()).mapped());
    }
    for (const Reply& reply : due) {
      scan.heard[{reply.probe.target.v4(), reply.probe.ttl.value()}] =
          reply.kind;
    }
    strategy.Observe(due);
    const size_t count = strategy.Next(now, batch);
    for (const Probe& probe : std::span(batch).first(count)) {
      const Cell cell{probe.target.v4(), probe.ttl.value()};
      scan.sent.push_back({now, cell});
      const auto answer = conditions.network(cell.first, cell.second, now);
      const bool lost =
          std::uniform_real_distribution<>()(random) < conditions.loss;
      if (!answer || lost) continue;
      Reply reply{.probe = probe,
                  .responder = IpAddress::V4(answer->responder),
                  .received = now + milliseconds(5 * cell.second),
                  .kind = answer->kind};
      under_way.emplace(reply.received, reply);
    }
    if (now > kStart + std::chrono::hours(100)) {
      ADD_FAILURE() << "does not end";
      break;
    }
  }
  scan.end = now;
  EXPECT_EQ(strategy.planned(), scan.sent.size());
  return scan;
}

Scan RunSweep(const TargetSet& targets, const StrategyOptions& options,
              const Conditions& conditions = {}) {
  auto strategy =
      (*Register<StrategyModule>::Find("sweep")).make(targets, options);
  EXPECT_TRUE(strategy.ok()) << strategy.status();
  return Run(**strategy, conditions);
}

StrategyOptions Options(uint8_t min_ttl, uint8_t max_ttl, uint64_t seed = 1) {
  return {.min_ttl = Ttl(min_ttl), .max_ttl = Ttl(max_ttl), .seed = seed};
}

class FillLaw : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, FillLaw, testing::Range<uint64_t>(0, 12));

// Asks beyond the last TTL exactly what a naive reading of the rule says.
TEST_P(FillLaw, AsksOnWhereRoutersAnswered) {
  const TargetSet targets = SomeTargets(400, GetParam());
  StrategyOptions options = Options(1 + GetParam() % 3, 9, GetParam());
  options.fill = Ttl(25);
  const Scan scan = RunSweep(
      targets, options,
      {.loss = 0.1 * static_cast<double>(GetParam() % 4), .seed = GetParam()});
  const std::set<Cell> cells = scan.Cells();
  EXPECT_EQ(cells.size(), scan.sent.size()) << "sent twice";
  const auto heard = [&](uint32_t target, unsigned ttl) {
    const auto found = scan.heard.find({target, ttl});
    return found == scan.heard.end() ? std::nullopt
                                     : std::optional(found->second);
  };
  for (size_t i = 0; i < targets.size(); ++i) {
    const uint32_t target = targets[i].v4();
    bool ended = false;
    for (unsigned ttl = options.min_ttl.value(); ttl <= 32; ++ttl) {
      const bool sent = cells.contains({target, ttl});
      if (ttl <= 9) {
        EXPECT_TRUE(sent);
      } else {
        const bool wanted =
            heard(target, ttl - 1) == ReplyKind::kHop ||
            (heard(target, ttl - 2) == ReplyKind::kHop && !ended);
        EXPECT_EQ(sent, wanted && ttl <= 25) << "TTL " << ttl;
      }
      ended |= ttl >= 8 && heard(target, ttl) == ReplyKind::kDestination;
    }
  }
}

TEST(Fill, EndsWithTheSweepWhereNothingAnswers) {
  StrategyOptions options = Options(1, 16);
  options.fill = Ttl(32);
  const Scan scan = RunSweep(SomeTargets(100, 1), options,
                             {.network = [](uint32_t, unsigned, Instant) {
                               return std::optional<Answer>();
                             }});
  EXPECT_EQ(scan.sent.size(), 1600U);
  EXPECT_LT(scan.end - kStart, std::chrono::seconds(3));
}

// Few routers near, ever more further on; nobody is silent.
std::optional<Answer> Fan(uint32_t target, unsigned ttl, Instant) {
  constexpr uint32_t kRouters[] = {1, 1, 2, 4, 6, 40};
  const uint64_t fan = ttl <= 6 ? Mix(target) % kRouters[ttl - 1] : target;
  return Answer{ReplyKind::kHop, static_cast<uint32_t>(Derive(ttl, fan) >> 32)};
}

TEST(Neighborhood, LeavesOffOnlyWhatIsBelowAndKnown) {
  const TargetSet targets = SomeTargets(6000, 2);
  StrategyOptions options = Options(1, 12);
  const std::set<Cell> plain = RunSweep(targets, options).Cells();
  options.neighborhood = Ttl(6);
  const Scan scan = RunSweep(targets, options, {.network = &Fan});
  const std::set<Cell> cells = scan.Cells();
  EXPECT_EQ(cells.size(), scan.sent.size()) << "sent twice";
  EXPECT_TRUE(
      std::includes(plain.begin(), plain.end(), cells.begin(), cells.end()));
  std::map<unsigned, size_t> left_off;
  for (const Cell& cell : plain) {
    if (!cells.contains(cell)) ++left_off[cell.second];
  }
  // One router and one link each, seen at once: next to all is left off.
  EXPECT_GT(left_off[1], 5500U);
  EXPECT_GT(left_off[2], 5000U);
  // Nothing from 6 on, and no more than was planned and not sent.
  EXPECT_LT(left_off.rbegin()->first, 6U);
  size_t sum = 0;
  for (const auto& [ttl, count] : left_off) sum += count;
  EXPECT_EQ(sum + scan.sent.size(), scan.planned);
}

// All links between the near TTLs are common enough to be seen.
TEST(Neighborhood, SeesTheLinksItLeavesOff) {
  const TargetSet targets = SomeTargets(6000, 3);
  StrategyOptions options = Options(1, 12);
  options.neighborhood = Ttl(6);
  const std::set<Cell> cells =
      RunSweep(targets, options, {.network = &Fan}).Cells();
  for (unsigned ttl = 1; ttl <= 4; ++ttl) {
    std::set<std::pair<uint32_t, uint32_t>> all, shown;
    for (size_t i = 0; i < targets.size(); ++i) {
      const uint32_t target = targets[i].v4();
      const std::pair link(Fan(target, ttl, kStart)->responder,
                           Fan(target, ttl + 1, kStart)->responder);
      all.insert(link);
      if (cells.contains({target, ttl}) && cells.contains({target, ttl + 1})) {
        shown.insert(link);
      }
    }
    EXPECT_EQ(shown, all) << "TTL " << ttl;
  }
}

// Routers are shared, but each target hangs on one of its own at the next TTL:
// each probe shows a link that is new.
TEST(Neighborhood, GoesOnWhileLinksAreNew) {
  const TargetSet targets = SomeTargets(3000, 4);
  StrategyOptions options = Options(1, 4);
  options.neighborhood = Ttl(4);
  const std::set<Cell> cells =
      RunSweep(targets, options,
               {.network =
                    [](uint32_t target, unsigned ttl, Instant) {
                      return std::optional<Answer>(
                          {ReplyKind::kHop, ttl == 4 ? target : ttl});
                    }})
          .Cells();
  std::array<size_t, 5> sent{};
  for (const Cell& cell : cells) ++sent[cell.second];
  EXPECT_LT(sent[1], 600U);
  EXPECT_LT(sent[2], 600U);
  EXPECT_EQ(sent[3], 3000U);
  EXPECT_EQ(sent[4], 3000U);
}

TEST(Neighborhood, KnowsAnAreaBeforeItKnowsAll) {
  Neighborhood neighborhood(Ttl(1), Ttl(3));
  for (uint32_t i = 0; i < 5 * Neighborhood::kQuiet; ++i) {
    // 10.0.0.0/12 shows one router; 20.0.0.0/8 always a new one.
    for (const auto& [target, responder] :
         {std::pair(0x0a000000 + i, 1U), std::pair(0x14000000 + i, 1000 + i)}) {
      neighborhood.Observe({.probe = {IpAddress::V4(target), Ttl(1), FlowId(0)},
                            .responder = IpAddress::V4(responder)});
    }
  }
  EXPECT_TRUE(neighborhood.IsKnown(1, IpAddress::V4(0x0a0fffff)));
  EXPECT_FALSE(neighborhood.IsKnown(1, IpAddress::V4(0x14000000)));
  EXPECT_FALSE(neighborhood.IsKnown(2, IpAddress::V4(0x0a000000)));
  EXPECT_FALSE(neighborhood.IsKnownEverywhere(1));
}

TEST(Caps, SendWhatThePlainSweepSends) {
  const TargetSet targets = SomeTargets(700, 5);
  StrategyOptions options = Options(2, 19);
  options.probes = 2;
  const auto sorted = [&](const Scan& scan) {
    std::vector<Cell> cells;
    for (const Sent& sent : scan.sent) cells.push_back(sent.cell);
    std::sort(cells.begin(), cells.end());
    return cells;
  };
  const auto plain = sorted(RunSweep(targets, options));
  for (const uint64_t pps : {50U, 1000U, 1'000'000'000U}) {
    options.router_pps = pps;
    EXPECT_EQ(sorted(RunSweep(targets, options)), plain) << pps;
  }
}

TEST(Caps, RepeatThemselves) {
  const TargetSet targets = SomeTargets(700, 6);
  StrategyOptions options = Options(1, 16);
  options.router_pps = 100;
  options.neighborhood = Ttl(9);
  options.fill = Ttl(20);
  const auto cells = [&] {
    std::vector<std::pair<Nanos, Cell>> all;
    for (const Sent& s : RunSweep(targets, options).sent) {
      all.emplace_back(s.time.time_since_epoch(), s.cell);
    }
    return all;
  };
  EXPECT_EQ(cells(), cells());
}

// In no window of time does a TTL get more than its routers' caps.
TEST(Caps, HoldInEveryWindow) {
  const TargetSet targets = SomeTargets(3000, 7);
  for (const uint64_t pps : {40U, 300U}) {
    StrategyOptions options = Options(1, 20);
    options.router_pps = pps;
    const Scan scan = RunSweep(targets, options, {.network = &Fan});
    constexpr unsigned kRouters[] = {1, 1, 2, 4, 6, 40};
    for (unsigned ttl = 1; ttl <= 6; ++ttl) {
      const double cap = static_cast<double>(pps * kRouters[ttl - 1]);
      const double burst =
          1 + cap * std::chrono::duration<double>(LimitWatch::kBurst).count();
      // count(s, e) <= burst + cap * (e - s) for all s is one running maximum.
      double excess = 0;
      Instant last = kStart;
      for (const Sent& sent : scan.sent) {
        if (sent.cell.second != ttl) continue;
        excess = std::max(
            0.0,
            excess -
                cap * std::chrono::duration<double>(sent.time - last).count());
        last = sent.time;
        EXPECT_LE(++excess, burst + 1e-3) << "TTL " << ttl;
      }
    }
  }
}

// While there is something else to send, nothing waits.
TEST(Caps, HoldBackOnlyTheNear) {
  const TargetSet targets = SomeTargets(2000, 8);
  StrategyOptions options = Options(1, 30);
  options.router_pps = 20;
  const Scan scan = RunSweep(targets, options, {.network = &Fan});
  Instant last_far = kStart;
  uint64_t before = 0;
  for (const Sent& sent : scan.sent) {
    if (sent.cell.second > 10) last_far = sent.time;
  }
  for (const Sent& sent : scan.sent) before += sent.time <= last_far;
  const double seconds =
      std::chrono::duration<double>(last_far - kStart).count();
  EXPECT_NEAR(static_cast<double>(before), 20'000 * seconds, 200);
}

// A token bucket, as routers have.
class Limit {
 public:
  explicit Limit(double pps, double burst)
      : pps_(pps), burst_(burst), tokens_(burst) {}

  bool Allow(Instant now) {
    tokens_ = std::min(
        burst_,
        tokens_ + pps_ * std::chrono::duration<double>(now - last_).count());
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double pps_;
  double burst_;
  double tokens_;
  Instant last_ = kStart;
};

struct Watched {
  double asked = 0;     // A second, over the last two thirds.
  double answered = 0;  // Of these, the share.
};

// Asks one place as fast as the watch allows for a minute.
Watched AskForAMinute(LimitWatch& watch,
                      const std::function<bool(Instant)>& answers) {
  uint64_t asked = 0, answered = 0;
  for (Instant now = kStart; now < kStart + std::chrono::seconds(60);
       now += Nanos(100'000)) {
    if (!watch.May(0, now)) continue;
    watch.Asked(0);
    const bool counts = now > kStart + std::chrono::seconds(20);
    asked += counts;
    if (!answers(now)) continue;
    answered += counts;
    watch.Answered(0, IpAddress::V4(1));
  }
  return {static_cast<double>(asked) / 40,
          static_cast<double>(answered) / static_cast<double>(asked)};
}

TEST(LimitWatch, FindsWhatARouterAnswers) {
  for (const double pps : {5.0, 50.0, 500.0}) {
    for (const double burst : {1.0, 10.0, 100.0}) {
      LimitWatch watch(1, 5000);
      Limit limit(pps, burst);
      const Watched watched =
          AskForAMinute(watch, [&](Instant now) { return limit.Allow(now); });
      SCOPED_TRACE(testing::Message() << pps << " a second, burst " << burst
                                      << ": asked " << watched.asked);
      EXPECT_GT(watched.asked * watched.answered, 0.5 * pps);
      EXPECT_LT(watched.asked, 3 * pps + 10);
      EXPECT_EQ(watch.At(0).routers, 1U);
    }
  }
}

TEST(LimitWatch, IsNotSlowedBySilenceOrByLossThatIsAlwaysThere) {
  LimitWatch silent(1, 3000);
  EXPECT_GT(AskForAMinute(silent, [](Instant) { return false; }).asked, 2900);
  EXPECT_EQ(silent.At(0).lost, 0);
  LimitWatch lossy(1, 3000);
  std::mt19937_64 random(1);
  EXPECT_GT(
      AskForAMinute(lossy, [&](Instant) { return random() % 10 < 6; }).asked,
      2000);
  EXPECT_LT(lossy.At(0).lost, 0.2);
}

TEST(LimitWatch, GivesEachRouterItsShare) {
  LimitWatch watch(2, 10);
  for (uint32_t router = 1; router <= 20; ++router) {
    watch.Answered(1, IpAddress::V4(router));
  }
  uint64_t asked[2] = {};
  for (Instant now = kStart; now < kStart + std::chrono::seconds(10);
       now += milliseconds(1)) {
    for (const size_t place : {0U, 1U}) {
      if (!watch.May(place, now)) continue;
      watch.Asked(place);
      ++asked[place];
    }
  }
  EXPECT_NEAR(static_cast<double>(asked[0]), 100, 2);
  EXPECT_NEAR(static_cast<double>(asked[1]), 2000, 10);
}

TEST(Sweep, RefusesRefinementsThatContradictTheTtls) {
  const TargetSet targets = SomeTargets(5, 9);
  const auto module = Register<StrategyModule>::Find("sweep");
  ASSERT_TRUE(module.ok());
  StrategyOptions options = Options(3, 16);
  options.fill = Ttl(16);
  EXPECT_FALSE(module->make(targets, options).ok());
  options.fill = Ttl(17);
  EXPECT_TRUE(module->make(targets, options).ok());
  for (const uint8_t ttl : {1, 3, 17}) {
    options.neighborhood = Ttl(ttl);
    EXPECT_FALSE(module->make(targets, options).ok());
  }
  options.neighborhood = Ttl(16);
  EXPECT_TRUE(module->make(targets, options).ok());
}

TEST(Sweep, ListensOnlyWhereAsked) {
  const TargetSet targets = SomeTargets(5, 9);
  const auto module = Register<StrategyModule>::Find("sweep");
  StrategyOptions options = Options(1, 16);
  EXPECT_FALSE((*module->make(targets, options))->observes());
  options.fill = Ttl(17);
  EXPECT_TRUE((*module->make(targets, options))->observes());
}

// How probes of whole scans ended, on the lab where every router limits.
class Fates final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    limited += seen.fate == lab::Fate::kRateLimited;
    answered += lab::IsAnswered(seen.fate);
  }
  uint64_t limited = 0;
  uint64_t answered = 0;
};

struct Outcome {
  Fates fates;
  ScanResult result;
};

Outcome ScanTheLab(ScanOptions options) {
  const TemporaryDirectory directory;
  const auto scenario = lab::ReadScenario(FATHOM_SCENARIOS "/rate-limited.lab");
  EXPECT_TRUE(scenario.ok());
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < 4096; ++i)
    addresses.push_back(0x0a000001 + i * 4096);
  Outcome outcome;
  const auto backend = OpenSimulated(*scenario, {}, &outcome.fates);
  options.dataset = directory.Path("d");
  options.pps = 20'000;
  options.seed = 1;
  const auto result =
      RunScan(**backend, TargetSet(addresses), PrefixSet(), options, {});
  EXPECT_TRUE(result.ok()) << result.status();
  if (result.ok()) outcome.result = *result;
  return outcome;
}

// The refinements probe less, lose less and find what is to be found.
TEST(Sweep, LosesLessToLimitsWithRefinements) {
  const Outcome plain = ScanTheLab({});
  ScanOptions options;
  options.max_ttl = Ttl(16);
  options.fill = Ttl(32);
  options.neighborhood = Ttl(10);
  options.router_pps = 1000;
  const Outcome fine = ScanTheLab(options);
  EXPECT_LT(fine.result.counts.sent * 10, plain.result.counts.sent * 6);
  EXPECT_LT(fine.fates.limited * 2, plain.fates.limited);
  EXPECT_GT(fine.result.links.links * 100, plain.result.links.links * 93);
  EXPECT_EQ(fine.result.counts.planned, fine.result.counts.sent);
}

}  // namespace
}  // namespace fathom
