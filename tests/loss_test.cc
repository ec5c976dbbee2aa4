// Whole scans in virtual time on a host that takes in replies only so fast.

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "backends/simulated.h"
#include "src/engine/finish.h"
#include "src/engine/scan.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

// The simulated backend, behind a queue that takes in so many packets a second
// and drops the rest.
class SlowHost final : public Backend, RxQueue {
 public:
  SlowHost(std::unique_ptr<Backend> inner, uint64_t capacity)
      : inner_(std::move(inner)), capacity_(capacity) {}

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t lane) override { return inner_->tx(lane); }
  RxQueue& rx(size_t /*lane*/) override { return *this; }
  std::span<const std::byte> link_header() const override {
    return inner_->link_header();
  }
  IpAddress source() const override { return inner_->source(); }
  std::string Describe() const override { return "slow"; }
  Instant Now() const override { return inner_->Now(); }
  bool one_thread() const override { return true; }
  BackendCounters counters() const override { return {.rx_dropped = dropped_}; }

  uint64_t taken() const { return taken_; }
  uint64_t dropped() const { return dropped_; }

 private:
  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
    const auto frames = inner_->rx(0).Receive(patience);
    if (!frames.ok()) return frames.status();
    lent_.clear();
    for (const RxFrame& frame : *frames) {
      if (Room(frame.arrival)) lent_.push_back(frame);
    }
    taken_ += lent_.size();
    dropped_ += frames->size() - lent_.size();
    return std::span<const RxFrame>(lent_);
  }

  // Whether the packet finds room: a millisecond's worth at most waits.
  bool Room(Instant arrival) {
    const Nanos each = Nanos(std::chrono::seconds(1)) / capacity_;
    busy_until_ = std::max(busy_until_, arrival);
    if (busy_until_ - arrival > std::chrono::milliseconds(1)) return false;
    busy_until_ += each;
    return true;
  }

  const std::unique_ptr<Backend> inner_;
  const uint64_t capacity_;
  std::vector<RxFrame> lent_;
  Instant busy_until_{};
  uint64_t taken_ = 0;
  uint64_t dropped_ = 0;
};

TargetSet Targets(uint32_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i)
    addresses.push_back(0x04000001 + i * 256);
  return TargetSet(std::move(addresses));
}

class LossTest : public testing::Test {
 protected:
  // Hears 4,000 replies a second of the 15,000 or so that the rate brings.
  ScanResult Scan(OnLoss on_loss) {
    const TargetSet targets = Targets(32'768);
    lab::Scenario scenario;
    for (lab::LimitClass& limit : scenario.limits) limit.share = 0;
    host_.emplace(*OpenSimulated(scenario, {}, nullptr), 4'000);
    auto result = RunScan(*host_, targets, PrefixSet(),
                          {.dataset = directory_.Path("scan"),
                           .pps = 50'000,
                           .max_ttl = Ttl(16),
                           .seed = 3,
                           .cooldown = std::chrono::seconds(20),
                           .on_loss = on_loss},
                          {});
    EXPECT_TRUE(result.ok()) << result.status();
    return *std::move(result);
  }

  // Of what reached the host.
  double ShareLost() const {
    return static_cast<double>(host_->dropped()) /
           static_cast<double>(host_->taken() + host_->dropped());
  }

  const TemporaryDirectory directory_;
  std::optional<SlowHost> host_;
};

TEST_F(LossTest, GoesOnIfItShallOnlyWarn) {
  const ScanResult result = Scan(OnLoss::kWarn);
  EXPECT_EQ(result.end, ScanEnd::kDone);
  EXPECT_EQ(result.counts.lowest_pps, 50'000U);
  EXPECT_GE(result.counts.lossy_windows, 3U);
  EXPECT_EQ(result.counts.backend.rx_dropped, host_->dropped());
  EXPECT_GT(ShareLost(), 0.5);
}

TEST_F(LossTest, SlowsDownUntilLittleIsLost) {
  const ScanResult result = Scan(OnLoss::kSlow);
  EXPECT_EQ(result.end, ScanEnd::kDone);
  EXPECT_EQ(result.counts.sent, result.counts.planned);
  EXPECT_LT(result.counts.lowest_pps, 25'000U);
  EXPECT_GT(result.counts.lowest_pps, 5'000U);
  // Most of it while it slowed down.
  EXPECT_LT(ShareLost(), 0.25);
  EXPECT_NE(result.manifest.find("\"lowest_pps\""), std::string::npos);
}

TEST_F(LossTest, StopsIfToldAndKeepsWhatItHeard) {
  const ScanResult result = Scan(OnLoss::kStop);
  EXPECT_EQ(result.end, ScanEnd::kLosing);
  EXPECT_LT(result.counts.sent, result.counts.planned / 2);
  const auto kept = RecoverDataset(directory_.Path("scan"));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->end, ScanEnd::kLosing);
  EXPECT_GT(kept->links.links, 0U);
  // What is under way as sending ends may be too much once more.
  EXPECT_GE(result.counts.lossy_windows, 1U);
  EXPECT_LE(result.counts.lossy_windows, 2U);
}

}  // namespace
}  // namespace fathom
