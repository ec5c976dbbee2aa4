// Lanes with all their threads, on a network that answers at once.

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fathom/registry.h"
#include "src/engine/lane.h"
#include "src/engine/loss_watch.h"
#include "src/engine/run_lanes.h"
#include "src/schedule/targets.h"
#include "tests/mirror_backend.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

// A run that needs it has lost something on the way.
constexpr Nanos kFarTooLong = std::chrono::seconds(60);

TargetSet Targets(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i)
    addresses.push_back(0x04000001 + i * 256);
  return TargetSet(std::move(addresses));
}

// Probes the next TTL of a target once the last one has answered. Stops for
// good if it is told of a target of others.
class Climb final : public Strategy {
 public:
  static constexpr uint8_t kTop = 4;

  explicit Climb(const TargetSet& targets)
      : targets_(targets), heard_(targets.size()) {
    for (size_t i = 0; i < targets.size(); ++i)
      due_.push_back({targets[i], Ttl(1)});
  }

  size_t Next(Instant /*now*/, std::span<Probe> out) override {
    const size_t count = std::min(out.size(), due_.size());
    std::copy(due_.end() - static_cast<ptrdiff_t>(count), due_.end(),
              out.begin());
    due_.resize(due_.size() - count);
    return count;
  }

  void Observe(std::span<const Reply> replies) override {
    for (const Reply& reply : replies) {
      const auto index = targets_.Find(reply.probe.target);
      if (!index || reply.probe.ttl.value() != ++heard_[*index]) {
        confused_ = true;
      } else if (heard_[*index] < kTop) {
        const auto next = static_cast<uint8_t>(heard_[*index] + 1);
        due_.push_back({reply.probe.target, Ttl(next)});
      } else {
        ++finished_;
      }
    }
  }

  bool done() const override {
    return !confused_ && finished_ == targets_.size();
  }
  uint64_t planned() const override { return targets_.size() * kTop; }

 private:
  const TargetSet& targets_;
  std::vector<uint8_t> heard_;  // The highest TTL of each target so far.
  std::vector<Probe> due_;
  size_t finished_ = 0;
  bool confused_ = false;
};

const Register<StrategyModule> kClimb(
    {"climb", "for tests",
     [](const TargetSet& targets,
        const StrategyOptions&) -> absl::StatusOr<std::unique_ptr<Strategy>> {
       return std::make_unique<Climb>(targets);
     }});

// A host that takes in so many packets a second, told of every tenth of it.
struct Host {
  uint64_t capacity;
  uint64_t heard = 0;
  uint64_t lost = 0;
  Instant now{};

  void Run(LossWatch& watch, Nanos time) {
    for (const Instant end = now + time; now < end;) {
      now += std::chrono::milliseconds(100);
      const uint64_t came = watch.pps() / 10;
      heard += std::min(came, capacity / 10);
      lost += came - std::min(came, capacity / 10);
      watch.Update(now, heard, lost);
    }
  }
};

TEST(LossWatch, SettlesJustBelowWhereTheLossBegins) {
  for (const uint64_t capacity : {3'000, 70'000, 99'000, 400'000}) {
    LossWatch watch({.pps = 500'000});
    Host host{.capacity = capacity};
    host.Run(watch, std::chrono::seconds(60));
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 600; ++i) {
      host.Run(watch, std::chrono::milliseconds(100));
      least = std::min(least, watch.pps());
      most = std::max(most, watch.pps());
    }
    EXPECT_GE(least, capacity * 7 / 10);
    EXPECT_LE(most, capacity * 101 / 100 + 500'000 / 50 + 1);
    EXPECT_LE(watch.lowest_pps(), least);
    EXPECT_GT(watch.lossy_windows(), 0U);
    EXPECT_FALSE(watch.must_stop());
  }
}

TEST(LossWatch, LeavesAScanAloneThatLosesLittle) {
  LossWatch watch({.pps = 100'000});
  Host host{.capacity = 99'500};  // Half a percent.
  host.Run(watch, std::chrono::seconds(100));
  EXPECT_EQ(watch.pps(), 100'000U);
  EXPECT_EQ(watch.lossy_windows(), 0U);
}

TEST(LossWatch, OnlyWarnsOrStopsIfTold) {
  LossWatch warn({.pps = 100'000, .on_loss = OnLoss::kWarn});
  LossWatch stop({.pps = 100'000, .on_loss = OnLoss::kStop});
  for (LossWatch* const watch : {&warn, &stop}) {
    Host host{.capacity = 50'000};
    host.Run(*watch, std::chrono::seconds(10));
    EXPECT_EQ(watch->pps(), 100'000U);
    EXPECT_GE(watch->lossy_windows(), 8U);
  }
  EXPECT_FALSE(warn.must_stop());
  EXPECT_TRUE(stop.must_stop());
}

TEST(LossWatch, JudgesNothingByAFewPackets) {
  LossWatch watch({.pps = 100'000, .on_loss = OnLoss::kStop});
  for (int second = 0; second < 100; ++second) {
    watch.Update(Instant(std::chrono::seconds(second)), 0, second / 2);
  }
  EXPECT_FALSE(watch.must_stop());
}

class LaneTest : public testing::Test {
 protected:
  // Remembers the cells of replies. Any receiver may tell it.
  class Sink final : public ReplySink {
   public:
    void Consume(Instant /*now*/, std::span<const Reply> replies) override {
      const std::lock_guard lock(mutex_);
      for (const Reply& reply : replies) {
        cells.insert({reply.probe.target.v4(), reply.probe.ttl.value()});
      }
    }
    std::set<std::pair<uint32_t, uint8_t>> cells;

   private:
    std::mutex mutex_;
  };

  // A lane that carries out `strategy`.
  std::unique_ptr<Lane> MakeLane(MirrorBackend& backend, size_t index,
                                 std::unique_ptr<Strategy> strategy) {
    return std::make_unique<Lane>(
        Lane::Parts{.backend = backend,
                    .index = index,
                    .codec = *codec_,
                    .forbidden = nothing_,
                    .strategy = std::move(strategy),
                    .pacer = Pacer(1'000'000, backend.Now()),
                    .feedback = *feedback_,
                    .sinks = {&sink_}});
  }

  // As many lanes as the backend has, each with the strategy of this name.
  RunOutcome Run(MirrorBackend& backend, const std::string& strategy,
                 RunOptions options) {
    const auto module = *Register<StrategyModule>::Find(strategy);
    codec_ = *Register<CodecModule>::Find("icmp")->make(
        {.key = {1, 2}, .source = backend.source(), .flows = module.flows});
    feedback_.emplace(backend.lanes());
    dealt_ = DealToLanes(targets_, backend.lanes());
    std::vector<std::unique_ptr<Lane>> lanes;
    for (size_t i = 0; i < backend.lanes(); ++i) {
      lanes.push_back(MakeLane(backend, i, *module.make(dealt_[i], {})));
    }
    if (!options.health) options.health = [] { return absl::OkStatus(); };
    if (!options.progress) options.progress = [](bool) {};
    if (!options.pps) options.pps = [] { return 1'000'000; };
    if (!options.losing) options.losing = [] { return false; };
    RunOutcome outcome = RunLanes(backend, lanes, options);
    for (const auto& lane : lanes) {
      sent_ += lane->prober().sent().value();
      valid_ += lane->receiver().verdict(Verdict::kReply).value();
    }
    return outcome;
  }

  const TargetSet targets_ = Targets(500);
  const PrefixSet nothing_;
  std::vector<TargetSet> dealt_;
  std::optional<Feedback> feedback_;
  std::unique_ptr<ProbeCodec> codec_;
  Sink sink_;
  uint64_t sent_ = 0;
  uint64_t valid_ = 0;
};

TEST_F(LaneTest, HearsEveryAnswerOnItsOwnThread) {
  MirrorBackend backend;
  const RunOutcome outcome =
      Run(backend, "sweep", {.cooldown = std::chrono::seconds(1)});
  EXPECT_EQ(outcome.end, ScanEnd::kDone);
  EXPECT_TRUE(outcome.trouble.ok());
  EXPECT_EQ(sent_, 500U * 32U);
  EXPECT_EQ(valid_, sent_);
  EXPECT_EQ(sink_.cells.size(), sent_);
}

TEST_F(LaneTest, TakesTurnsAsWell) {
  MirrorBackend backend;
  const RunOutcome outcome =
      Run(backend, "sweep",
          {.cooldown = std::chrono::seconds(1), .in_turns = true});
  EXPECT_EQ(outcome.end, ScanEnd::kDone);
  EXPECT_EQ(sent_, 500U * 32U);
  EXPECT_EQ(sink_.cells.size(), sent_);
}

TEST_F(LaneTest, DealsTargetsToLanes) {
  for (const size_t lanes : {2, 7}) {
    MirrorBackend backend(SIZE_MAX, lanes);
    sent_ = valid_ = 0;
    sink_.cells.clear();
    const RunOutcome outcome =
        Run(backend, "sweep",
            {.cooldown = std::chrono::seconds(1), .processors = {0}});
    EXPECT_EQ(outcome.end, ScanEnd::kDone);
    EXPECT_EQ(sent_, 500U * 32U);
    EXPECT_EQ(sink_.cells.size(), sent_);
  }
}

// Each lane hears replies to the probes of others, and must tell them.
TEST_F(LaneTest, TellsEachStrategyOfItsOwnTargets) {
  for (const size_t lanes : {1, 3}) {
    MirrorBackend backend(SIZE_MAX, lanes);
    sent_ = valid_ = 0;
    sink_.cells.clear();
    const RunOutcome outcome =
        Run(backend, "climb",
            {.cooldown = std::chrono::seconds(1), .max_runtime = kFarTooLong});
    EXPECT_EQ(outcome.end, ScanEnd::kDone);
    EXPECT_EQ(sent_, 500U * Climb::kTop);
    EXPECT_EQ(sink_.cells.size(), sent_);
  }
}

TEST_F(LaneTest, RunsEveryStrategyToItsEnd) {
  for (const StrategyModule& module : Register<StrategyModule>::All()) {
    for (const size_t lanes : {1, 3}) {
      SCOPED_TRACE(testing::Message() << module.name << ", lanes " << lanes);
      MirrorBackend backend(SIZE_MAX, lanes);
      sent_ = valid_ = 0;
      sink_.cells.clear();
      const RunOutcome outcome = Run(
          backend, module.name,
          {.cooldown = std::chrono::seconds(1), .max_runtime = kFarTooLong});
      EXPECT_EQ(outcome.end, ScanEnd::kDone);
      EXPECT_TRUE(outcome.trouble.ok()) << outcome.trouble;
      EXPECT_GE(sent_, 500U);
      EXPECT_EQ(valid_, sent_);
    }
  }
}

TEST_F(LaneTest, StopsWhenItLosesTooMuch) {
  MirrorBackend backend;
  const RunOutcome outcome = Run(backend, "sweep",
                                 {.cooldown = std::chrono::seconds(1),
                                  .pps = [] { return 1000; },
                                  .losing = [] { return true; }});
  EXPECT_EQ(outcome.end, ScanEnd::kLosing);
  EXPECT_LT(sent_, 500U * 32U);
}

TEST_F(LaneTest, StopsWhenAsked) {
  MirrorBackend backend;
  std::stop_source source;
  int looks = 0;
  const RunOutcome outcome = Run(backend, "sweep",
                                 {.cooldown = std::chrono::seconds(1),
                                  .stop = source.get_token(),
                                  .pps = [] { return 1000; },
                                  .progress =
                                      [&](bool) {
                                        if (++looks == 3) source.request_stop();
                                      }});
  EXPECT_EQ(outcome.end, ScanEnd::kInterrupted);
  EXPECT_LT(sent_, 500U * 32U);
  EXPECT_EQ(valid_, sent_);
}

TEST_F(LaneTest, StopsAtTheTimeLimit) {
  MirrorBackend backend;
  const RunOutcome outcome = Run(backend, "sweep",
                                 {.cooldown = std::chrono::seconds(1),
                                  .max_runtime = std::chrono::milliseconds(120),
                                  .pps = [] { return 1000; }});
  EXPECT_EQ(outcome.end, ScanEnd::kTimeLimit);
  EXPECT_LT(sent_, 500U * 32U);
  EXPECT_EQ(valid_, sent_);
}

// The lanes of a scan are made anew for each pass, and its spool is read while
// it is open.
TEST_F(LaneTest, LooksTwiceOnAllLanes) {
  for (const size_t lanes : {1, 2}) {
    MirrorBackend backend(SIZE_MAX, lanes);
    backend.BecomeLossyChain();
    const TemporaryDirectory directory;
    const auto result = RunScan(backend, targets_, nothing_,
                                {.dataset = directory.Path("scan"),
                                 .pps = 1'000'000,
                                 .repair = 2,
                                 .verify = 1,
                                 .cooldown = std::chrono::milliseconds(300)},
                                {});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->end, ScanEnd::kDone);
    EXPECT_EQ(result->links.links, 31U);
    const ScanCounts& counts = result->counts;
    ASSERT_EQ(counts.second_look.size(), 5U);
    uint64_t sent = 500U * 32U;
    for (const PassCounts& pass : counts.second_look) {
      EXPECT_EQ(pass.sent, pass.planned);
      sent += pass.sent;
    }
    EXPECT_GT(counts.second_look[0].sent, 100U);
    EXPECT_GT(counts.second_look[2].sent, 10U);
    EXPECT_EQ(counts.sent, sent);
    EXPECT_EQ(counts.planned, sent);
    EXPECT_EQ(backend.sent().size(), sent);
    EXPECT_EQ(result->links.replies, sent - sent / 7);
  }
}

TEST_F(LaneTest, SaysWhyTheDeviceWasLost) {
  MirrorBackend backend(100);
  const RunOutcome outcome =
      Run(backend, "sweep", {.cooldown = std::chrono::hours(1)});
  EXPECT_EQ(outcome.end, ScanEnd::kTrouble);
  EXPECT_EQ(outcome.trouble.message(), "mirror broke");
}

TEST_F(LaneTest, StopsWhenTheSpoolFails) {
  MirrorBackend backend;
  const RunOutcome outcome =
      Run(backend, "sweep", {.cooldown = std::chrono::hours(1), .health = [] {
                               return absl::DataLossError("disk full");
                             }});
  EXPECT_EQ(outcome.end, ScanEnd::kTrouble);
  EXPECT_EQ(outcome.trouble.message(), "disk full");
}

}  // namespace
}  // namespace fathom
