// The engine's parts, with doubles for the parts that they join.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "fathom/registry.h"
#include "src/engine/discovery.h"
#include "src/engine/feedback.h"
#include "src/engine/prober.h"
#include "tests/mirror_backend.h"

namespace fathom {
namespace {

std::unique_ptr<ProbeCodec> MakeCodec(const Backend& backend) {
  return *Register<CodecModule>::Find("icmp")->make(
      {.key = {1, 2}, .source = backend.source()});
}

// Remembers what it was asked and told.
class ScriptedStrategy final : public Strategy {
 public:
  explicit ScriptedStrategy(std::vector<Probe> probes)
      : probes_(std::move(probes)) {}

  size_t Next(Instant /*now*/, std::span<Probe> out) override {
    asked.push_back(out.size());
    const size_t count = std::min(out.size(), probes_.size() - next_);
    std::copy_n(probes_.begin() + static_cast<ptrdiff_t>(next_), count,
                out.begin());
    next_ += count;
    return count;
  }
  void Observe(std::span<const Reply> replies) override {
    observed += replies.size();
  }
  bool done() const override { return next_ == probes_.size(); }
  uint64_t planned() const override { return probes_.size(); }

  std::vector<size_t> asked;
  size_t observed = 0;

 private:
  std::vector<Probe> probes_;
  size_t next_ = 0;
};

std::vector<Probe> SomeProbes(uint32_t count) {
  std::vector<Probe> probes;
  for (uint32_t i = 0; i < count; ++i) {
    probes.push_back({IpAddress::V4(0x04000000 + i), Ttl(1), FlowId(0)});
  }
  return probes;
}

TEST(Prober, AsksForNoMoreThanItMaySendAndHasFramesFor) {
  MirrorBackend backend;
  const auto codec = MakeCodec(backend);
  ScriptedStrategy strategy(SomeProbes(100));
  const PrefixSet nothing;
  Prober prober({strategy, *codec, backend.tx(0), nothing});
  EXPECT_EQ(*prober.Step({}, {}, 5), 5U);
  EXPECT_EQ(*prober.Step({}, {}, 1000), MirrorBackend::kRing);
  EXPECT_EQ(*prober.Step({}, {}, 0), 0U);
  EXPECT_EQ(strategy.asked, (std::vector<size_t>{5, MirrorBackend::kRing}));
  EXPECT_EQ(prober.sent().value(), 5 + MirrorBackend::kRing);
}

TEST(Prober, PassesOnWhatWasHeard) {
  MirrorBackend backend;
  const auto codec = MakeCodec(backend);
  ScriptedStrategy strategy({});
  const PrefixSet nothing;
  Prober prober({strategy, *codec, backend.tx(0), nothing});
  const std::vector<Reply> heard(3);
  ASSERT_TRUE(prober.Step({}, heard, 1).ok());
  EXPECT_EQ(strategy.observed, 3U);
}

TEST(Prober, LetsNoForbiddenTargetOnTheWire) {
  MirrorBackend backend;
  const auto codec = MakeCodec(backend);
  // A strategy gone wrong: it probes what no target set would give it.
  ScriptedStrategy strategy(SomeProbes(256));
  const std::vector<Prefix> forbidden = {*Prefix::Parse("4.0.0.16/28"),
                                         *Prefix::Parse("4.0.0.200/32")};
  const PrefixSet set = PrefixSet::FromPrefixes(forbidden);
  Prober prober({strategy, *codec, backend.tx(0), set});
  while (!strategy.done()) ASSERT_TRUE(prober.Step({}, {}, 64).ok());
  EXPECT_EQ(prober.withheld().value(), 17U);
  EXPECT_EQ(prober.sent().value(), 256U - 17U);
  std::set<uint32_t> on_the_wire;
  for (const Bytes& packet : backend.sent()) {
    on_the_wire.insert(Load<Ipv4Header>(packet).destination);
  }
  EXPECT_EQ(on_the_wire.size(), 256U - 17U);
  for (const uint32_t target : on_the_wire) EXPECT_FALSE(set.Contains(target));
}

TEST(Feedback, DropsAndCountsWhatDoesNotFit) {
  Feedback feedback(1);
  const std::vector<Reply> replies(1000);
  uint64_t given = 0, taken = 0;
  for (int i = 0; i < 50; ++i) {
    feedback.sink(0).Consume({}, replies);
    given += replies.size();
  }
  while (true) {
    const size_t count = feedback.Take(0).size();
    if (count == 0) break;
    taken += count;
  }
  EXPECT_GT(feedback.dropped(), 0U);
  EXPECT_EQ(taken + feedback.dropped(), given);
}

// A reply of `responder` at a cell.
Reply ReplyAt(uint32_t target, uint8_t ttl, uint32_t responder) {
  return {.probe = {IpAddress::V4(target), Ttl(ttl), FlowId(0)},
          .responder = IpAddress::V4(responder)};
}

TEST(Discovery, CountsInterfacesAndLinksInAnyOrder) {
  // Four targets behind one chain of eight routers, then one of their own.
  std::vector<Reply> replies;
  for (uint32_t target = 0; target < 4; ++target) {
    for (uint8_t ttl = 1; ttl <= 8; ++ttl) {
      replies.push_back(ReplyAt(target, ttl, 100 + ttl));
    }
    replies.push_back(ReplyAt(target, 9, 200 + target));
  }
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(replies.begin(), replies.end(), random);
    Discovery discovery(1 << 20);
    discovery.Consume({}, replies);
    discovery.Consume({}, replies);  // Again: nothing new.
    EXPECT_EQ(discovery.interfaces(), 8U + 4U);
    EXPECT_EQ(discovery.links(), 7U + 4U);
  }
}

// A path's replies may be heard by any lane.
TEST(Discovery, MissesLittleWhenManyHearAtOnce) {
  constexpr uint32_t kTargets = 5'000;
  constexpr uint8_t kHops = 12;
  Discovery discovery(1 << 18);
  {
    std::vector<std::jthread> receivers;
    for (uint32_t r = 0; r < 3; ++r) {
      receivers.emplace_back([&discovery, r] {
        for (uint32_t target = 0; target < kTargets; ++target) {
          for (uint8_t ttl = 1; ttl <= kHops; ++ttl) {
            if ((target + ttl) % 3 != r) continue;
            const Reply reply = ReplyAt(target, ttl, 100 * target + ttl);
            discovery.Consume({}, std::span(&reply, 1));
          }
        }
      });
    }
  }
  const double links = kTargets * (kHops - 1);
  EXPECT_NEAR(static_cast<double>(discovery.interfaces()), kTargets * kHops,
              0.03 * kTargets * kHops);
  EXPECT_LE(static_cast<double>(discovery.links()), 1.03 * links);
  EXPECT_GE(static_cast<double>(discovery.links()), 0.8 * links);
}

}  // namespace
}  // namespace fathom
