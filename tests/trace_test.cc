// Traces in virtual time: of paths made up here, and of the lab against what it
// knows to be true.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <vector>

#include "backends/simulated.h"
#include "fathom/registry.h"
#include "src/lab/network.h"
#include "src/lab/probe_packet.h"
#include "src/lab/truth.h"
#include "src/trace/forks.h"
#include "src/trace/hop_row.h"
#include "src/trace/sent_probe.h"
#include "src/trace/trace_run.h"
#include "tests/lab_testing.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr IpAddress kTarget = IpAddress::V4(0x0a090909);
constexpr Instant kZero{seconds(1'000'000)};

IpAddress RouterAt(uint8_t ttl, unsigned branch = 0) {
  return IpAddress::V4(0x0a000000 + branch * 256 + ttl);
}

// A path made up: who answers a probe, and after how long.
struct FakeAnswer {
  IpAddress responder;
  Nanos rtt;
  ReplyKind kind = ReplyKind::kHop;
};
using FakePath =
    std::function<std::optional<FakeAnswer>(const Probe&, Nanos age)>;

// `length` routers and the target, each a millisecond further; those of
// `silent` do not answer.
FakePath Chain(uint8_t length, std::set<int> silent = {}) {
  return [=](const Probe& probe, Nanos) -> std::optional<FakeAnswer> {
    const uint8_t ttl = probe.ttl.value();
    if (silent.contains(std::min<int>(ttl, length + 1))) return std::nullopt;
    if (ttl > length) {
      return FakeAnswer{kTarget, milliseconds(length + 1),
                        ReplyKind::kDestination};
    }
    return FakeAnswer{RouterAt(ttl), milliseconds(ttl)};
  };
}

struct Sent {
  Probe probe;
  Instant at;
  friend bool operator==(const Sent&, const Sent&) = default;
};

// Runs a tracer over a fake path until it is done, or until `end`.
class FakeRun {
 public:
  FakeRun(const TraceOptions& options, FakePath path)
      : tracer(kTarget, options, kZero), path_(std::move(path)) {}

  // On from where it was. Looks at the clock as seldom as the tracer allows, or
  // every `tick`.
  void Run(Nanos tick = Nanos(0), Instant end = kZero + seconds(60)) {
    for (; now <= end; now = Later(tick)) {
      while (!replies_.empty() && replies_.top().received <= now) {
        tracer.Observe(replies_.top());
        replies_.pop();
      }
      Send();
      if (tracer.Done(now)) return;
    }
  }

  Nanos duration() const { return now - kZero; }

  Tracer tracer;
  Instant now = kZero;
  std::vector<Sent> sent;

 private:
  struct Earlier {
    bool operator()(const Reply& a, const Reply& b) const {
      return a.received > b.received;
    }
  };

  Instant Later(Nanos tick) const {
    if (tick > Nanos(0)) return now + tick;
    const Instant event = tracer.NextEvent(now);
    EXPECT_GT(event, now);
    return replies_.empty() ? event : std::min(event, replies_.top().received);
  }

  void Send() {
    std::array<Probe, 5> room;
    size_t made = room.size();
    while (made == room.size()) {
      made = tracer.Next(now, room);
      for (size_t i = 0; i < made; ++i) {
        sent.push_back({room[i], now});
        const auto answer = path_(room[i], now - kZero);
        if (!answer) continue;
        replies_.push({.probe = room[i],
                       .responder = answer->responder,
                       .received = now + answer->rtt,
                       .rtt = answer->rtt,
                       .kind = answer->kind});
      }
    }
  }

  FakePath path_;
  std::priority_queue<Reply, std::vector<Reply>, Earlier> replies_;
};

std::vector<std::optional<IpAddress>> PathOf(const Tracer& tracer,
                                             FlowId flow = FlowId(0)) {
  std::vector<std::optional<IpAddress>> path;
  for (uint8_t t = tracer.options().first_ttl.value();
       t <= tracer.LastOf(flow).value(); ++t) {
    const TraceCell& cell = tracer.cell(flow, Ttl(t));
    path.push_back(cell.responders.empty()
                       ? std::nullopt
                       : std::optional(cell.responders.front().address));
  }
  return path;
}

TEST(Tracer, FindsPathsOfEveryLength) {
  for (uint8_t length = 0; length < 62; ++length) {
    FakeRun run({.max_ttl = Ttl(63)}, Chain(length));
    run.Run();
    const auto path = PathOf(run.tracer);
    ASSERT_EQ(path.size(), size_t{length} + 1);
    for (uint8_t t = 1; t <= length; ++t) EXPECT_EQ(path[t - 1U], RouterAt(t));
    EXPECT_EQ(path.back(), kTarget);
    EXPECT_EQ(EndOf(run.tracer), TraceEnd::kTarget);
  }
}

TEST(Tracer, TakesARoundTripAndTheRoundsWhereAllAnswer) {
  for (const uint8_t length : {0, 5, 14, 15}) {
    FakeRun run({}, Chain(length));
    run.Run();
    EXPECT_EQ(run.duration(), milliseconds(50 + length + 1));
  }
}

TEST(Tracer, SilentHopsCostTheWaitThatTheRoundTripsSuggest) {
  // Two of the neighbours' from the first probe on, but 100 ms at least.
  FakeRun close({}, Chain(14, {4, 9}));
  close.Run();
  EXPECT_EQ(close.duration(), milliseconds(100));
  FakeRun far({}, [chain = Chain(14, {4, 9})](const Probe& probe, Nanos age) {
    auto answer = chain(probe, age);
    if (answer) answer->rtt *= 10;
    return answer;
  });
  far.Run();
  EXPECT_EQ(far.duration(), milliseconds(2 * 100));
}

TEST(Tracer, GivesWhatMayBeSlowAllTheTimeThereIs) {
  // A satellite after the third hop: what answers first is no measure.
  FakeRun run({}, [](const Probe& probe, Nanos age) {
    auto answer = *Chain(8)(probe, age);
    if (probe.ttl > Ttl(3)) answer.rtt += milliseconds(700);
    return std::optional(answer);
  });
  run.Run();
  EXPECT_EQ(PathOf(run.tracer).size(), 9U);
  EXPECT_EQ(EndOf(run.tracer), TraceEnd::kTarget);
}

TEST(Tracer, EndsAtTheGapLimit) {
  for (const uint8_t gap : {1, 3, 5}) {
    FakeRun run({.gap_limit = gap}, Chain(9, {10}));
    run.Run();
    const auto path = PathOf(run.tracer);
    ASSERT_EQ(path.size(), 9U + gap);
    EXPECT_EQ(path[8], RouterAt(9));
    EXPECT_EQ(path[9], std::nullopt);
    EXPECT_EQ(EndOf(run.tracer), TraceEnd::kGap);
    EXPECT_EQ(run.duration(), seconds(1));
  }
}

TEST(Tracer, FindsTheTargetBehindAGapWithinTheFirstHorizon) {
  FakeRun run({.gap_limit = 2}, Chain(12, {5, 6, 7, 8, 9, 10, 11, 12}));
  run.Run();
  EXPECT_EQ(PathOf(run.tracer).size(), 13U);
}

TEST(Tracer, StopsAtTheLongestTtlThatWasAskedFor) {
  FakeRun run({.max_ttl = Ttl(6)}, Chain(9));
  run.Run();
  EXPECT_EQ(PathOf(run.tracer).size(), 6U);
  EXPECT_EQ(EndOf(run.tracer), TraceEnd::kMaxTtl);
}

TEST(Tracer, AsksEachHopAsOftenAsWantedAndNoneBeyondTheTarget) {
  for (const uint32_t probes : {1U, 3U, 10U}) {
    FakeRun run({.probes = probes}, Chain(7, {3}));
    run.Run();
    std::map<uint8_t, unsigned> count;
    for (const Sent& sent : run.sent) ++count[sent.probe.ttl.value()];
    for (uint8_t t = 1; t <= 8; ++t) EXPECT_EQ(count[t], probes);
    // The first round did not know where the path ends.
    for (uint8_t t = 9; t <= 16; ++t) EXPECT_EQ(count[t], 1U);
    EXPECT_EQ(count.size(), 16U);
  }
}

TEST(Tracer, EndsWhereARouterRefuses) {
  FakeRun run({}, [](const Probe& probe, Nanos) -> std::optional<FakeAnswer> {
    const uint8_t ttl = std::min<uint8_t>(probe.ttl.value(), 4);
    return FakeAnswer{
        RouterAt(ttl), milliseconds(ttl),
        probe.ttl > Ttl(4) ? ReplyKind::kUnreachable : ReplyKind::kHop};
  });
  run.Run();
  EXPECT_EQ(PathOf(run.tracer).size(), 5U);
  EXPECT_EQ(EndOf(run.tracer), TraceEnd::kUnreachable);
}

TEST(Tracer, LooksAtTheClockNoOftenerThanItMust) {
  // Asked at every tick, it sends the same probes at the same times.
  for (const auto& path : {Chain(6), Chain(14, {2, 7}), Chain(22, {20}),
                           Chain(9, {10}), Chain(0, {1})}) {
    const TraceOptions options = {.flows = 3};
    FakeRun seldom(options, path);
    FakeRun often(options, path);
    seldom.Run();
    often.Run(milliseconds(1));
    EXPECT_EQ(seldom.sent, often.sent);
    EXPECT_EQ(seldom.duration(), often.duration());
  }
}

TEST(Tracer, CountsAnAnswerOnceHoweverOftenItComes) {
  Tracer tracer(kTarget, {.probes = 1}, kZero);
  std::array<Probe, 16> probes;
  ASSERT_EQ(tracer.Next(kZero, probes), 16U);
  const Reply reply = {.probe = probes[2],
                       .responder = RouterAt(3),
                       .received = kZero + milliseconds(3),
                       .rtt = milliseconds(3)};
  for (int i = 0; i < 4; ++i) tracer.Observe(reply);
  const TraceCell& cell = tracer.cell(FlowId(0), Ttl(3));
  EXPECT_EQ(cell.answered, 1U);
  EXPECT_EQ(cell.repeated, 3U);
  EXPECT_EQ(cell.rtts.count(), 1U);
}

TEST(Tracer, KnowsTheProbeByItsTimeAndDoesWithoutIt) {
  Tracer tracer(kTarget, {}, kZero);
  std::array<Probe, 16> probes;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(tracer.Next(kZero + round * milliseconds(50), probes), 16U);
  }
  const auto answer = [&](Nanos after, Nanos rtt) {
    tracer.Observe({.probe = probes[0],
                    .responder = RouterAt(1),
                    .received = kZero + after,
                    .rtt = rtt});
  };
  const auto& cell = tracer.cell(FlowId(0), Ttl(1));
  answer(milliseconds(120), milliseconds(70));  // The second.
  EXPECT_EQ(cell.probes[1].rtt, milliseconds(70));
  answer(milliseconds(130), kUnknownRtt);  // The first that waits.
  EXPECT_EQ(cell.probes[0].rtt, milliseconds(130));
  answer(milliseconds(140), seconds(200));  // A time that nothing was sent at.
  EXPECT_EQ(cell.probes[2].rtt, milliseconds(40));
  answer(milliseconds(150), milliseconds(50));  // Answered already.
  EXPECT_EQ(cell.answered, 3U);
  EXPECT_EQ(cell.repeated, 1U);
}

TEST(Tracer, IgnoresWhatItCannotHaveAsked) {
  Tracer tracer(kTarget, {.first_ttl = Ttl(2), .max_ttl = Ttl(9)}, kZero);
  std::array<Probe, 16> probes;
  ASSERT_EQ(tracer.Next(kZero, probes), 8U);
  for (const Probe& probe :
       {Probe{kTarget, Ttl(1), FlowId(0)}, Probe{kTarget, Ttl(10), FlowId(0)},
        Probe{kTarget, Ttl(63), FlowId(0)},
        Probe{kTarget, Ttl(3), FlowId(1)}}) {
    tracer.Observe({.probe = probe,
                    .responder = RouterAt(1),
                    .received = kZero + milliseconds(1)});
  }
  EXPECT_EQ(tracer.last(), Ttl(6));
  for (const HopRow& row : RowsOf(tracer, kZero)) EXPECT_EQ(row.answered, 0U);
}

TEST(Tracer, WatchesWithoutEndInBoundedMemory) {
  FakeRun run({.probes = 0, .interval = seconds(1)}, Chain(6, {4}));
  run.Run(Nanos(0), kZero + seconds(600));
  for (uint8_t t = 1; t <= 7; ++t) {
    const TraceCell& cell = run.tracer.cell(FlowId(0), Ttl(t));
    EXPECT_EQ(cell.sent, 601U);
    EXPECT_EQ(cell.probes.size(), TraceCell::kMaxProbes);
  }
  const auto rows = RowsOf(run.tracer, kZero + seconds(600));
  ASSERT_EQ(rows.size(), 7U);
  for (const HopRow& row : rows) {
    // What was sent just now is not lost yet.
    EXPECT_EQ(row.sent, 600U);
    EXPECT_EQ(row.loss(), row.ttl == Ttl(4) ? 1 : 0);
  }
}

TEST(Tracer, FollowsAPathThatChangesWhileItIsWatched) {
  const auto path = [](const Probe& probe, Nanos age) {
    return Chain(age < seconds(10) || age > seconds(20) ? 5 : 8)(probe, age);
  };
  FakeRun run({.probes = 0, .interval = seconds(1)}, path);
  run.Run(Nanos(0), kZero + seconds(9));
  EXPECT_EQ(run.tracer.last(), Ttl(6));
  run.Run(Nanos(0), kZero + seconds(15));
  EXPECT_EQ(run.tracer.last(), Ttl(9));
  run.Run(Nanos(0), kZero + seconds(25));
  EXPECT_EQ(run.tracer.last(), Ttl(6));
}

TEST(RttStats, AgreesWithSums) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    RttStats whole, parts[3], merged;
    std::vector<double> all;
    for (size_t i = 0; i < 3; ++i) {
      for (uint64_t n = random() % 20; n > 0; --n) {
        const Nanos rtt(static_cast<int64_t>(random() % 1'000'000'000));
        whole.Add(rtt);
        parts[i].Add(rtt);
        all.push_back(static_cast<double>(rtt.count()));
      }
      merged.Merge(parts[i]);
    }
    ASSERT_EQ(merged.count(), all.size());
    if (all.empty()) continue;
    double sum = 0, squares = 0;
    for (const double rtt : all) sum += rtt;
    const double mean = sum / static_cast<double>(all.size());
    for (const double rtt : all) squares += (rtt - mean) * (rtt - mean);
    const double deviation =
        all.size() < 2
            ? 0
            : std::sqrt(squares / static_cast<double>(all.size() - 1));
    for (const RttStats& stats : {whole, merged}) {
      EXPECT_NEAR(static_cast<double>(stats.mean().count()), mean, 2);
      EXPECT_NEAR(static_cast<double>(stats.deviation().count()), deviation, 2);
      EXPECT_EQ(static_cast<double>(stats.best().count()),
                *std::min_element(all.begin(), all.end()));
      EXPECT_EQ(static_cast<double>(stats.worst().count()),
                *std::max_element(all.begin(), all.end()));
    }
  }
}

// A diamond: by odd flows through branch 1 at TTLs 3 and 4, by every fourth
// through branch 2 at TTL 4.
std::optional<FakeAnswer> Diamond(const Probe& probe, Nanos /*age*/) {
  const uint8_t ttl = probe.ttl.value();
  if (ttl > 6) {
    return FakeAnswer{kTarget, milliseconds(7), ReplyKind::kDestination};
  }
  unsigned branch = 0;
  if (ttl == 3 || ttl == 4) branch = probe.flow.value() % 2;
  if (ttl == 4 && probe.flow.value() % 4 == 2) branch = 2;
  return FakeAnswer{RouterAt(ttl, branch), milliseconds(ttl)};
}

TEST(Forks, DrawsADiamondFromWhereItPartsToWhereItMeets) {
  FakeRun run({.flows = 4}, Diamond);
  run.Run();
  const auto forks = ForksOf(run.tracer);
  ASSERT_EQ(forks.size(), 1U);
  std::vector<std::tuple<int, IpAddress, size_t, std::vector<bool>>> lines;
  for (const ForkLine& line : forks[0]) {
    lines.emplace_back(line.ttl.value(), *line.address, line.flows.size(),
                       line.last_of);
  }
  using Line = decltype(lines)::value_type;
  EXPECT_EQ(lines, (std::vector<Line>{
                       {2, RouterAt(2), 4, {}},
                       {3, RouterAt(3, 0), 2, {false}},
                       {4, RouterAt(4, 0), 1, {false, false}},
                       {4, RouterAt(4, 2), 1, {false, true}},
                       {3, RouterAt(3, 1), 2, {true}},
                       {4, RouterAt(4, 1), 2, {true}},
                       {5, RouterAt(5), 4, {}},
                   }));
}

TEST(Forks, HasNoneWhereFlowsNeverPart) {
  FakeRun run({.flows = 4}, Chain(6, {3}));
  run.Run();
  EXPECT_TRUE(ForksOf(run.tracer).empty());
}

// The lab.

// Who answered each probe, and what balancers saw of each flow.
class Witness final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    keys[probe->ip.destination].insert(probe->keys.flow);
    if (!lab::IsAnswered(seen.fate)) return;
    answers[{probe->ip.destination, probe->ip.ttl}].insert(seen.responder);
  }

  std::map<uint32_t, std::set<uint64_t>> keys;
  std::map<std::pair<uint32_t, uint8_t>, std::set<uint32_t>> answers;
};

class LabTrace {
 public:
  LabTrace(const lab::Scenario& scenario, const std::vector<uint32_t>& targets,
           const TraceRunOptions& options) {
    auto opened = OpenSimulated(scenario, {}, &witness);
    EXPECT_TRUE(opened.ok()) << opened.status();
    backend = *std::move(opened);
    std::vector<IpAddress> addresses;
    for (const uint32_t target : targets) {
      addresses.push_back(IpAddress::V4(target));
    }
    auto made = TraceRun::Make(*backend, addresses, options);
    EXPECT_TRUE(made.ok()) << made.status();
    run = *std::move(made);
    while (!run->done()) EXPECT_TRUE(run->Step(seconds(1)).ok());
  }

  Witness witness;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<TraceRun> run;
};

std::vector<uint32_t> SomeTargets(const lab::Scenario& scenario, size_t count) {
  std::vector<uint32_t> targets;
  lab::SampleSlash24s(scenario, count, [&](const Prefix& prefix) {
    targets.push_back(prefix.first().v4() + 1 +
                      static_cast<uint32_t>(targets.size() % 200));
  });
  return targets;
}

// What one flow can see: (distance, address) of all that answers.
std::set<std::pair<uint8_t, uint32_t>> TrueHops(const lab::Truth& truth,
                                                uint32_t target,
                                                uint64_t flow) {
  lab::FlowKeys keys = lab::AddressKeys(lab::kSource, target);
  keys.flow = flow;
  std::set<std::pair<uint8_t, uint32_t>> hops;
  truth.VisitHops(target, keys, lab::Sight::kOneFlow,
                  [&](const lab::TrueHop& hop) {
                    hops.emplace(hop.distance, hop.address);
                  });
  return hops;
}

std::set<std::pair<uint8_t, uint32_t>> HopsOf(const Tracer& tracer,
                                              FlowId flow) {
  std::set<std::pair<uint8_t, uint32_t>> hops;
  for (uint8_t t = 1; t <= tracer.LastOf(flow).value(); ++t) {
    for (const auto& responder : tracer.cell(flow, Ttl(t)).responders) {
      hops.emplace(t, responder.address.v4());
    }
  }
  return hops;
}

TEST(TraceRun, ShowsTheTruePathToEveryTargetByEveryProtocol) {
  const lab::Scenario scenario = lab::Clean();
  const lab::Truth truth(scenario);
  const auto targets = SomeTargets(scenario, 64);
  for (const char* protocol : {"icmp", "udp"}) {
    const LabTrace lab(
        scenario, targets,
        {.trace = {.max_ttl = Ttl(40), .probes = 1}, .protocol = protocol});
    size_t reached = 0;
    for (const Tracer& tracer : lab.run->tracers()) {
      const uint32_t target = tracer.target().v4();
      ASSERT_EQ(lab.witness.keys.at(target).size(), 1U);
      auto hops = TrueHops(truth, target, *lab.witness.keys.at(target).begin());
      const auto found = HopsOf(tracer, FlowId(0));
      reached += tracer.reached() ? 1 : 0;
      // Of the hosts, not all answer UDP.
      std::erase_if(hops, [&](const auto& hop) {
        return hop.second == target && !found.contains(hop);
      });
      EXPECT_EQ(found, hops) << tracer.target().ToString();
    }
    EXPECT_GT(reached, 5U) << protocol;
  }
}

TEST(TraceRun, ShowsTheBranchesThatItsFlowsTake) {
  lab::Scenario scenario = lab::Clean();
  scenario.diamonds.fill(1);
  scenario.chain[3] = scenario.chain[4] = scenario.chain[5] = {3, 4};
  const lab::Truth truth(scenario);
  const auto targets = SomeTargets(scenario, 16);
  constexpr uint16_t kFlows = 8;
  const LabTrace lab(scenario, targets,
                     {.trace = {.max_ttl = Ttl(40), .flows = kFlows}});
  size_t forks = 0;
  for (const Tracer& tracer : lab.run->tracers()) {
    const uint32_t target = tracer.target().v4();
    std::set<std::pair<uint8_t, uint32_t>> seen, true_hops;
    for (uint16_t f = 0; f < kFlows; ++f) seen.merge(HopsOf(tracer, FlowId(f)));
    ASSERT_EQ(lab.witness.keys.at(target).size(), kFlows);
    for (const uint64_t flow : lab.witness.keys.at(target)) {
      true_hops.merge(TrueHops(truth, target, flow));
    }
    std::erase_if(true_hops, [&](const auto& hop) {
      return hop.second == target && !seen.contains(hop);
    });
    std::erase_if(seen, [&](const auto& hop) { return hop.second == target; });
    std::erase_if(true_hops,
                  [&](const auto& hop) { return hop.second == target; });
    EXPECT_EQ(seen, true_hops) << tracer.target().ToString();
    for (const auto& fork : ForksOf(tracer)) {
      ++forks;
      for (const ForkLine& line : fork) {
        if (!line.address || *line.address == tracer.target()) continue;
        EXPECT_TRUE(true_hops.contains({line.ttl.value(), line.address->v4()}));
      }
    }
  }
  EXPECT_GT(forks, 10U);
}

TEST(TraceRun, EndsInTimeAndInventsNothingWhereAllGoesWrong) {
  lab::Scenario scenario = *lab::ReadScenario(FATHOM_SCENARIOS "/small.lab");
  scenario.rewritten_targets = scenario.rewritten_flows = 0;
  for (const double loss : {0.0, 0.05, 0.5, 1.0}) {
    scenario.loss = loss;
    const auto targets = SomeTargets(scenario, 32);
    const TraceRunOptions options;
    const LabTrace lab(scenario, targets, options);
    for (size_t i = 0; i < targets.size(); ++i) {
      const Tracer& tracer = lab.run->tracers()[i];
      // The rounds, what is waited for, and once more for each step outwards.
      EXPECT_LE(lab.run->EndOf(i) - tracer.start(),
                milliseconds(50) + 4 * seconds(1));
      for (const auto& [ttl, address] : HopsOf(tracer, FlowId(0))) {
        const auto at = lab.witness.answers.find({targets[i], ttl});
        ASSERT_NE(at, lab.witness.answers.end());
        EXPECT_TRUE(at->second.contains(address));
      }
      for (const HopRow& row : RowsOf(tracer, lab.run->EndOf(i))) {
        EXPECT_LE(row.answered, row.sent);
      }
    }
  }
}

TEST(TraceRun, FinishesSoonAfterTheRoundTrip) {
  lab::Scenario scenario = lab::Clean();
  scenario.silent_routers = 0.2;
  const auto targets = SomeTargets(scenario, 64);
  const LabTrace lab(scenario, targets, {});
  size_t reached = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Tracer& tracer = lab.run->tracers()[i];
    const auto end = tracer.EndOf(FlowId(0));
    if (!tracer.reached() || !end) continue;
    ++reached;
    Nanos longest{0};
    for (const HopRow& row : RowsOf(tracer, lab.run->EndOf(i))) {
      longest = std::max(longest, row.rtts.worst());
    }
    // A path beyond the first horizon takes a round trip more.
    const int trips = end->value() > 16 ? 2 : 1;
    const Nanos wait = std::max<Nanos>(milliseconds(100), 2 * longest);
    EXPECT_LE(lab.run->EndOf(i) - tracer.start(),
              milliseconds(50) + (trips - 1) * longest +
                  std::min<Nanos>(wait, seconds(1)) + milliseconds(1));
  }
  EXPECT_GT(reached, 10U);
}

TEST(TraceRun, RefusesAProtocolThatIsNotThere) {
  const auto backend = OpenSimulated({}, {}, nullptr);
  ASSERT_TRUE(backend.ok());
  const auto run =
      TraceRun::Make(**backend, {kTarget}, {.protocol = "carrier pigeon"});
  EXPECT_TRUE(absl::IsInvalidArgument(run.status())) << run.status();
}

// What sockets hear, as packets.

TEST(SentProbe, AnswersDecodeToTheProbe) {
  for (const CodecModule& module : Register<CodecModule>::All()) {
    const std::string_view name = module.name;
    const bool tcp = name.starts_with("tcp");  // Which has no payload.
    const auto codec = module.make(
        {.key = {1, 2},
         .source = IpAddress::V4(lab::kSource),
         .flows = 4,
         .max_ttl = kMaxTtl,
         .contact = tcp ? "" : "a contact of some length, to be quoted"});
    ASSERT_TRUE(codec.ok()) << codec.status();
    for (uint8_t t = 1; t <= kMaxTtl.value(); ++t) {
      const Probe probe = {kTarget, Ttl(t), FlowId(t % 4)};
      std::array<std::byte, kMaxProbeSize> room{};
      TxFrame frame = {.room = room};
      (*codec)->Encode(kZero, std::span(&probe, 1), std::span(&frame, 1));
      const auto sent = ReadSentProbe(std::span(room).first(frame.length));
      ASSERT_TRUE(sent);
      EXPECT_EQ(sent->ttl, t);
      EXPECT_EQ(sent->destination, kTarget);
      const SocketAnswer said = {.responder = RouterAt(t),
                                 .source = IpAddress::V4(lab::kSource),
                                 .arrival_ttl = 61,
                                 .icmp_type = 11};
      const auto error = ErrorAbout(*sent, said);
      Reply reply;
      ASSERT_EQ((*codec)->Decode({error, kZero + milliseconds(5)}, reply),
                Verdict::kReply)
          << module.name;
      EXPECT_EQ(reply.probe, probe);
      EXPECT_EQ(reply.responder, RouterAt(t));
      EXPECT_EQ(reply.arrival_ttl, Ttl(61));
      EXPECT_EQ(reply.quoted_ttl, Ttl(0));
      EXPECT_GE(reply.rtt, milliseconds(5));
      EXPECT_LE(reply.rtt, milliseconds(5) + Nanos(tcp ? 100'000 : 0));
      EXPECT_EQ(reply.kind, ReplyKind::kHop);
      if (name != "icmp") continue;
      SocketAnswer echoed = said;
      echoed.responder = kTarget;
      const auto echo = EchoReplyTo(*sent, echoed);
      ASSERT_EQ((*codec)->Decode({echo, kZero + milliseconds(5)}, reply),
                Verdict::kReply);
      EXPECT_EQ(reply.probe, probe);
      EXPECT_EQ(reply.kind, ReplyKind::kDestination);
    }
  }
}

TEST(SentProbe, SegmentsOfHostsAnswerTheirSyn) {
  for (const bool v6 : {false, true}) {
    const IpAddress source =
        v6 ? *IpAddress::Parse("2001:db8::1") : IpAddress::V4(lab::kSource);
    const IpAddress target = v6 ? *IpAddress::Parse("2001:db8::2") : kTarget;
    const auto codec = Register<CodecModule>::Find("tcp-syn")->make(
        {.key = {1, 2}, .source = source});
    ASSERT_TRUE(codec.ok());
    for (const bool open : {false, true}) {
      const Probe probe = {target, Ttl(7), FlowId(0)};
      std::array<std::byte, kMaxProbeSize> room{};
      TxFrame frame = {.room = room};
      (*codec)->Encode(kZero, std::span(&probe, 1), std::span(&frame, 1));
      const auto sent = ReadSentProbe(std::span(room).first(frame.length));
      ASSERT_TRUE(sent);
      const auto answer = SegmentAnswering(*sent, {.source = source}, open);
      Reply reply;
      ASSERT_EQ((*codec)->Decode({answer, kZero + milliseconds(5)}, reply),
                Verdict::kReply);
      EXPECT_EQ(reply.probe, probe);
      EXPECT_EQ(reply.responder, target);
      EXPECT_EQ(reply.kind, ReplyKind::kDestination);
      EXPECT_EQ(reply.tcp_flags,
                open ? kTcpSyn | kTcpAck : kTcpReset | kTcpAck);
    }
  }
}

TEST(SentProbe, ReadsNothingFromPiecesAndOtherPackets) {
  std::vector<std::byte> packet = lab::Make({.target = kTarget.v4()});
  EXPECT_TRUE(ReadSentProbe(packet));
  for (size_t size = 0; size < 30; ++size) {
    EXPECT_FALSE(ReadSentProbe(std::span(packet).first(size)));
  }
  packet[0] = std::byte{0x46};
  EXPECT_FALSE(ReadSentProbe(packet));
}

}  // namespace
}  // namespace fathom
