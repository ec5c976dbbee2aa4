// What every strategy must do, over all that are registered, on a network made
// of a hash; and what single ones must do besides.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"

namespace fathom {
namespace {

const Instant kStart{std::chrono::seconds(1'700'000'000)};

// The address of either family that this network gives a number, ascending, and
// back. Those whose numbers differ in the last octet only do so as well.
IpAddress AddressOf(Family family, uint32_t number) {
  if (family == Family::kIpv4) return IpAddress::V4(number);
  return IpAddress::V6(0x2a00'0000'0000'0000 | uint64_t{number & ~255U} << 16,
                       number & 255);
}
uint32_t NumberOf(const IpAddress& address) {
  if (address.family() == Family::kIpv4) return address.v4();
  return (static_cast<uint32_t>(address.high() >> 16) & ~255U) |
         (static_cast<uint32_t>(address.low()) & 255);
}

TargetSet SomeTargets(size_t count, uint64_t seed,
                      Family family = Family::kIpv4) {
  std::set<uint32_t> numbers;
  for (uint64_t i = 0; numbers.size() < count; ++i) {
    numbers.insert(static_cast<uint32_t>(Derive(seed, i)));
  }
  if (family == Family::kIpv4) {
    return TargetSet(std::vector<uint32_t>(numbers.begin(), numbers.end()));
  }
  std::vector<IpAddress> addresses;
  for (const uint32_t number : numbers) {
    addresses.push_back(AddressOf(family, number));
  }
  return TargetSet(std::move(addresses));
}

// How the network answers.
enum class Answers { kNone, kAll, kSome, kTwice };

// Routes are chains of hashed addresses that share their first hops, with a
// destination that may answer.
std::optional<Reply> AnswerTo(const Probe& probe, Instant now) {
  const uint32_t target = NumberOf(probe.target);
  const uint32_t distance = 4 + Mix(target) % 20;
  const uint32_t ttl = probe.ttl.value();
  Reply reply;
  reply.probe = probe;
  reply.rtt = std::chrono::milliseconds(10 * ttl);
  reply.received = now + reply.rtt;
  reply.arrival_ttl = Ttl(static_cast<uint8_t>(64 - std::min(ttl, distance)));
  if (ttl >= distance) {
    if (target % 2 == 0) return std::nullopt;
    reply.kind = ReplyKind::kDestination;
    reply.responder = probe.target;
    return reply;
  }
  const uint64_t branch = target >> (ttl < 8 ? 32 - 2 * ttl : 8);
  const uint64_t router = Derive(branch, ttl);
  if (router % 5 == 0) return std::nullopt;
  reply.icmp_type = 11;
  reply.responder =
      AddressOf(probe.target.family(), static_cast<uint32_t>(router >> 32));
  return reply;
}

using Sequence = std::vector<Probe>;

std::tuple<IpAddress, uint8_t, uint16_t> Key(const Probe& probe) {
  return {probe.target, probe.ttl.value(), probe.flow.value()};
}

struct Conditions {
  Answers answers = Answers::kAll;
  size_t max_batch = 64;
  bool random_batch = false;
  uint64_t seed = 1;  // Of the network and the batches.
};

// Runs a strategy to its end in virtual time, as an engine would, and checks
// what can be checked on the way.
class VirtualScan {
 public:
  VirtualScan(const Conditions& conditions, Strategy& strategy)
      : conditions_(conditions),
        strategy_(strategy),
        random_(conditions.seed) {}

  Sequence ToTheEnd() {
    // Far more steps than any strategy may need.
    for (int step = 0; step < 2'000'000; ++step) {
      EXPECT_GE(strategy_.planned(), sent_.size());
      if (strategy_.done()) return Finish();
      Deliver();
      const size_t count = Step();
      // With nothing to send, time passes until something must happen.
      now_ += count > 0 ? Nanos(10'000 * count)
                        : Nanos(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "does not end";
    return sent_;
  }

 private:
  size_t Step() {
    // What lies past the part lent must stay as it is.
    const Probe guard{IpAddress::V6(7, 7), Ttl(77), FlowId(777)};
    const size_t room = conditions_.random_batch
                            ? random_() % (conditions_.max_batch + 1)
                            : conditions_.max_batch;
    std::vector<Probe> batch(conditions_.max_batch + 1, guard);
    const size_t count = strategy_.Next(now_, std::span(batch).first(room));
    EXPECT_LE(count, room);
    EXPECT_EQ(batch[room], guard);
    for (size_t i = 0; i < count; ++i) {
      sent_.push_back(batch[i]);
      Answer(batch[i]);
    }
    return count;
  }

  void Answer(const Probe& probe) {
    if (conditions_.answers == Answers::kNone) return;
    const auto reply = AnswerTo(probe, now_);
    if (!reply) return;
    if (conditions_.answers == Answers::kSome && random_() % 2 == 0) return;
    replies_.emplace(reply->received, *reply);
    if (conditions_.answers == Answers::kTwice) {
      replies_.emplace(reply->received + Nanos(random_() % 50'000'000), *reply);
    }
  }

  void Deliver() {
    std::vector<Reply> due;
    while (!replies_.empty() && replies_.begin()->first <= now_) {
      due.push_back(replies_.begin()->second);
      replies_.erase(replies_.begin());
    }
    strategy_.Observe(due);
  }

  Sequence Finish() {
    EXPECT_EQ(strategy_.planned(), sent_.size());
    // Late replies do not wake what is done.
    now_ += std::chrono::hours(1);
    Deliver();
    std::vector<Probe> batch(8);
    EXPECT_TRUE(strategy_.done());
    EXPECT_EQ(strategy_.Next(now_, batch), 0U);
    EXPECT_TRUE(strategy_.done());
    return sent_;
  }

  const Conditions conditions_;
  Strategy& strategy_;
  std::mt19937_64 random_;
  Instant now_ = kStart;
  std::multimap<Instant, Reply> replies_;
  Sequence sent_;
};

Sequence RunToTheEnd(const StrategyModule& module, const TargetSet& targets,
                     const StrategyOptions& options,
                     const Conditions& conditions = {}) {
  auto strategy = module.make(targets, options);
  EXPECT_TRUE(strategy.ok()) << strategy.status();
  if (!strategy.ok()) return {};
  return VirtualScan(conditions, **strategy).ToTheEnd();
}

StrategyOptions Options(uint8_t min_ttl, uint8_t max_ttl, uint64_t seed = 1) {
  return {.min_ttl = Ttl(min_ttl), .max_ttl = Ttl(max_ttl), .seed = seed};
}

// Whether it is a target, or another address of a target's /24 that may be
// probed.
bool MayBeProbed(const IpAddress& address, const TargetSet& targets,
                 const StrategyOptions& options) {
  if (targets.Find(address)) return true;
  if (!options.allowed || !options.allowed(address)) return false;
  const auto first = [](const IpAddress& a) {
    return IpAddress::V6(a.high(), a.low() & ~uint64_t{255});
  };
  const size_t index = targets.LowerBound(first(address));
  return index < targets.size() && first(targets[index]) == first(address);
}

// Sends nothing more often than it says, and nothing that was not asked for.
void ExpectWithinBounds(const StrategyModule& module, const Sequence& sent,
                        const TargetSet& targets,
                        const StrategyOptions& options) {
  std::map<std::tuple<IpAddress, uint8_t, uint16_t>, int> times;
  for (const Probe& probe : sent) {
    ASSERT_TRUE(MayBeProbed(probe.target, targets, options))
        << probe.target.ToString();
    ASSERT_GE(probe.ttl, options.min_ttl);
    ASSERT_LE(probe.ttl, std::max(options.max_ttl, options.fill));
    ASSERT_LT(probe.flow.value(), module.flows);
    ASSERT_LE(++times[Key(probe)], module.repeats) << "sent too often";
  }
}

// A strategy with options of its own, which must keep all laws too. `refine`
// changes options of a plain scan, and not what may be probed.
struct Subject {
  std::string name;
  StrategyModule module;
  void (*refine)(StrategyOptions&);
  Family family = Family::kIpv4;
};

void Fill(StrategyOptions& o) {
  if (o.max_ttl == o.min_ttl) return;
  o.fill = o.max_ttl;
  o.max_ttl =
      Ttl(static_cast<uint8_t>((o.min_ttl.value() + o.max_ttl.value()) / 2));
}

void LeaveOff(StrategyOptions& o) {
  if (o.max_ttl == o.min_ttl) return;
  o.neighborhood = Ttl(static_cast<uint8_t>(
      std::min<int>(o.min_ttl.value() + 9, o.max_ttl.value())));
}

std::vector<Subject> Subjects() {
  const auto none = [](StrategyOptions&) {};
  std::vector<Subject> subjects;
  for (const StrategyModule& module : Register<StrategyModule>::All()) {
    std::string name = module.name;
    std::replace(name.begin(), name.end(), '-', '_');
    subjects.push_back({name, module, none});
  }
  const auto sweep = Register<StrategyModule>::Find("sweep");
  if (!sweep.ok()) return {};
  const auto add = [&](const char* name, void (*refine)(StrategyOptions&)) {
    subjects.push_back({name, *sweep, refine});
  };
  add("sweep_fill", &Fill);
  add("sweep_neighborhood", &LeaveOff);
  add("sweep_caps", [](StrategyOptions& o) { o.router_pps = 500; });
  add("sweep_all", [](StrategyOptions& o) {
    Fill(o);
    LeaveOff(o);
    o.router_pps = 100;
  });
  // All of it over IPv6 as well.
  for (size_t i = 0, count = subjects.size(); i < count; ++i) {
    Subject subject = subjects[i];
    subject.name += "_ipv6";
    subject.family = Family::kIpv6;
    subjects.push_back(subject);
  }
  return subjects;
}

class StrategyConformance : public testing::TestWithParam<Subject> {
 protected:
  static const StrategyModule& module() { return GetParam().module; }
  static TargetSet SomeTargets(size_t count, uint64_t seed) {
    return fathom::SomeTargets(count, seed, GetParam().family);
  }
  static StrategyOptions Options(uint8_t min_ttl, uint8_t max_ttl,
                                 uint64_t seed = 1) {
    StrategyOptions options = fathom::Options(min_ttl, max_ttl, seed);
    if (min_ttl <= max_ttl) GetParam().refine(options);
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(All, StrategyConformance,
                         testing::ValuesIn(Subjects()),
                         [](const auto& info) { return info.param.name; });

TEST_P(StrategyConformance, EndsWithinBoundsUnderAllConditions) {
  const TargetSet targets = SomeTargets(300, 1);
  const StrategyOptions options = Options(2, 29);
  for (const Answers answers :
       {Answers::kNone, Answers::kAll, Answers::kSome, Answers::kTwice}) {
    for (const size_t max_batch : {1U, 2U, 64U, 1000U}) {
      for (const bool random_batch : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << "answers " << static_cast<int>(answers) << " batch "
                     << max_batch << " random " << random_batch);
        const Sequence sent =
            RunToTheEnd(module(), targets, options,
                        {answers, max_batch, random_batch, max_batch});
        ExpectWithinBounds(module(), sent, targets, options);
        EXPECT_FALSE(sent.empty());
      }
    }
  }
}

// Whoever may not be probed is not, be it a neighbour of a target.
TEST_P(StrategyConformance, KeepsToTheAddressesThatAreAllowed) {
  const TargetSet targets = SomeTargets(200, 9);
  StrategyOptions options = Options(1, 32);
  options.allowed = [](const IpAddress& address) {
    return Mix(NumberOf(address)) % 3 == 0;
  };
  ExpectWithinBounds(module(), RunToTheEnd(module(), targets, options), targets,
                     options);
}

TEST_P(StrategyConformance, EndsForEveryShapeOfInput) {
  for (const size_t count : {0U, 1U, 2U, 17U, 256U}) {
    const TargetSet targets = SomeTargets(count, count);
    for (const auto& [min_ttl, max_ttl] :
         {std::pair(1, 1), std::pair(1, 32), std::pair(32, 32), std::pair(5, 7),
          std::pair(1, 63), std::pair(1, 255)}) {
      SCOPED_TRACE(testing::Message() << count << " targets, TTLs " << min_ttl
                                      << " to " << max_ttl);
      const StrategyOptions options =
          Options(static_cast<uint8_t>(min_ttl), static_cast<uint8_t>(max_ttl));
      const Sequence sent = RunToTheEnd(module(), targets, options);
      ExpectWithinBounds(module(), sent, targets, options);
      EXPECT_EQ(sent.empty(), count == 0);
    }
  }
}

TEST_P(StrategyConformance, RepeatsItselfForTheSameSeedOnly) {
  const TargetSet targets = SomeTargets(200, 3);
  const Sequence first = RunToTheEnd(module(), targets, Options(1, 32, 7));
  EXPECT_EQ(first, RunToTheEnd(module(), targets, Options(1, 32, 7)));
  EXPECT_NE(first, RunToTheEnd(module(), targets, Options(1, 32, 8)));
}

TEST_P(StrategyConformance, BearsRepliesToProbesItNeverSent) {
  const TargetSet targets = SomeTargets(50, 4);
  auto strategy = module().make(targets, Options(3, 20));
  ASSERT_TRUE(strategy.ok());
  std::vector<Reply> strange;
  for (const uint8_t ttl : {0, 1, 2, 21, 255}) {
    for (const uint32_t number : {0U, NumberOf(targets[7]), ~0U}) {
      for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        Reply reply;
        reply.probe = {AddressOf(family, number), Ttl(ttl), FlowId(9999)};
        reply.responder = AddressOf(family, ~number);
        reply.received = kStart;
        strange.push_back(reply);
      }
    }
  }
  strange.emplace_back();
  (*strategy)->Observe(strange);
  ExpectWithinBounds(module(), VirtualScan({}, **strategy).ToTheEnd(), targets,
                     Options(3, 20));
}

// The engine tells it of no reply then, so replies must make no difference.
TEST_P(StrategyConformance, IgnoresRepliesIfItSaysSo) {
  const TargetSet targets = SomeTargets(100, 8);
  if ((*module().make(targets, Options(1, 16)))->observes()) return;
  const auto sent = [&](Answers answers) {
    return RunToTheEnd(module(), targets, Options(1, 16), {answers, 64});
  };
  EXPECT_EQ(sent(Answers::kNone), sent(Answers::kAll));
}

// The same as often as asked, and the order of them mixed.
TEST(Sweep, RepeatsEveryProbeAsOftenAsAsked) {
  const TargetSet targets = SomeTargets(40, 6);
  const auto module = Register<StrategyModule>::Find("sweep");
  ASSERT_TRUE(module.ok());
  for (const uint8_t probes : {1, 2, 3, 8}) {
    StrategyOptions options = Options(3, 21);
    options.probes = probes;
    const Sequence sent = RunToTheEnd(*module, targets, options);
    std::map<std::tuple<IpAddress, uint8_t, uint16_t>, int> times;
    for (const Probe& probe : sent) ++times[Key(probe)];
    EXPECT_EQ(times.size(), 40U * 19);
    for (const auto& [key, count] : times) EXPECT_EQ(count, probes);
  }
  StrategyOptions none = Options(1, 2);
  none.probes = 0;
  EXPECT_FALSE(module->make(targets, none).ok());
}

TEST_P(StrategyConformance, RefusesTtlsThatMakeNoRange) {
  const TargetSet targets = SomeTargets(5, 5);
  EXPECT_FALSE(module().make(targets, Options(0, 32)).ok());
  EXPECT_FALSE(module().make(targets, Options(5, 4)).ok());
}

TEST(Strategies, AreThoseThatThePageOfHelpNames) {
  EXPECT_TRUE(Register<StrategyModule>::Find("sweep").ok());
}

TEST(Sweep, SendsEveryTtlOfEveryTargetOnce) {
  const StrategyModule sweep = *Register<StrategyModule>::Find("sweep");
  // All numbers of TTLs, since each has a divider of its own.
  for (int ttls = 1; ttls <= 255; ++ttls) {
    const TargetSet targets = SomeTargets(1 + ttls % 90, 6);
    const StrategyOptions options = Options(
        static_cast<uint8_t>(255 - ttls + 1), 255, static_cast<uint64_t>(ttls));
    auto strategy = sweep.make(targets, options);
    ASSERT_TRUE(strategy.ok());
    EXPECT_EQ((*strategy)->planned(), targets.size() * ttls);
    const Sequence sent = VirtualScan({}, **strategy).ToTheEnd();
    ExpectWithinBounds(sweep, sent, targets, options);
    ASSERT_EQ(sent.size(), targets.size() * ttls);
  }
}

TEST(Sweep, SendsTheSameHoweverItIsAsked) {
  const StrategyModule sweep = *Register<StrategyModule>::Find("sweep");
  const TargetSet targets = SomeTargets(333, 7);
  const Sequence expected = RunToTheEnd(sweep, targets, Options(1, 32));
  for (const Conditions& conditions :
       {Conditions{Answers::kNone, 1, false, 1},
        Conditions{Answers::kSome, 63, true, 2},
        Conditions{Answers::kTwice, 5000, true, 3}}) {
    EXPECT_EQ(RunToTheEnd(sweep, targets, Options(1, 32), conditions),
              expected);
  }
}

}  // namespace
}  // namespace fathom
