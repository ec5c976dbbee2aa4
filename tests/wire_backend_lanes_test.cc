// Several lanes of a backend on a Linux interface. Those that cannot have two
// on a veth pair say so when they are opened, and are passed over.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "src/base/bytes.h"
#include "tests/backend_stand.h"

namespace fathom {
namespace {

constexpr size_t kLanes = 2;
constexpr uint32_t kBurst = 20'000;

class LanesTest : public WireBackendTest {
 protected:
  void SetUp() override {
    WireBackendTest::SetUp();
    if (!netns_) return;
    BackendOptions options = stand_->options(2048);
    options.lanes = kLanes;
    auto opened = GetParam().open(options);
    if (absl::IsInvalidArgument(opened.status())) {
      GTEST_SKIP() << opened.status();
    }
    ASSERT_TRUE(opened.ok()) << opened.status();
    backend_ = *std::move(opened);
  }

  // What all lanes have heard by turns, until there are `count` in all with
  // those that are said to be lost; then what still comes, which should be
  // nothing.
  std::array<std::vector<uint32_t>, kLanes> HearAll(uint64_t count) {
    std::array<std::vector<uint32_t>, kLanes> heard;
    const auto enough = [&] {
      return heard[0].size() + heard[1].size() +
                 backend_->counters().rx_dropped >=
             count;
    };
    const Instant deadline = backend_->Now() + kLong;
    while (!enough() && backend_->Now() < deadline) {
      for (size_t lane = 0; lane < kLanes; ++lane) Hear(lane, heard[lane]);
    }
    for (size_t lane = 0; lane < kLanes; ++lane) Hear(lane, heard[lane]);
    return heard;
  }

  void Hear(size_t lane, std::vector<uint32_t>& numbers) {
    const auto frames =
        backend_->rx(lane).Receive(std::chrono::milliseconds(10));
    ASSERT_TRUE(frames.ok()) << frames.status();
    for (const RxFrame& frame : *frames) {
      numbers.push_back(NumberOf(frame.bytes));
    }
  }

  // Sends a probe with each number from `first` on, up to `end`.
  void SendNumbers(size_t lane, uint32_t first, uint32_t end) {
    TxQueue& tx = backend_->tx(lane);
    while (first < end) {
      const auto lent = tx.Lend(std::min(end - first, 100U));
      for (TxFrame& frame : lent) {
        const Bytes bytes =
            Concat(backend_->link_header(),
                   IcmpPacket(kNear, kTarget, kIcmpEchoRequest, first++));
        std::copy(bytes.begin(), bytes.end(), frame.room.begin());
        frame.length = bytes.size();
      }
      ASSERT_TRUE(tx.Send(lent.size()).ok());
    }
    ASSERT_TRUE(tx.Drain(kLong).ok());
  }

  // The replies of as many routers as `addresses`.
  static std::vector<Bytes> RepliesOf(uint32_t addresses) {
    std::vector<Bytes> replies;
    for (uint32_t i = 0; i < kBurst; ++i) {
      replies.push_back(
          Inbound(IcmpPacket(IpAddress::V4(0x0a640000 + i % addresses), kNear,
                             kIcmpTimeExceeded, i)));
    }
    return replies;
  }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LanesTest);
INSTANTIATE_TEST_SUITE_P(All, LanesTest, testing::ValuesIn(BackendsOnWire()),
                         NameOfBackend);

TEST_P(LanesTest, HasTheLanesThatWereAskedFor) {
  EXPECT_EQ(backend_->lanes(), kLanes);
}

// Whether one router answers or thousands; by turns, no lane has more than its
// ring holds.
TEST_P(LanesTest, HearsEachReplyOnOneLaneAndSomeOnEach) {
  for (const uint32_t addresses : {1U, 3U, 5'000U}) {
    if (!stand_->shares_by_turns && addresses < 1'000) continue;
    const uint64_t before = backend_->counters().rx_dropped;
    far_->Send(RepliesOf(addresses));
    const auto heard = HearAll(kBurst + before);
    EXPECT_GT(heard[0].size(), kBurst / 20) << addresses;
    EXPECT_GT(heard[1].size(), kBurst / 20) << addresses;
    std::vector<uint32_t> all = heard[0];
    all.insert(all.end(), heard[1].begin(), heard[1].end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
    const uint64_t dropped = backend_->counters().rx_dropped - before;
    ASSERT_EQ(all.size() + dropped, kBurst) << addresses;
    EXPECT_TRUE(dropped == 0 || !stand_->shares_by_turns);
  }
}

TEST_P(LanesTest, LosesNothingUncountedWhileNobodyListens) {
  constexpr int kRounds = 25;
  const auto burst = RepliesOf(100);
  for (int i = 0; i < kRounds; ++i) far_->Send(burst);
  const auto heard = HearAll(uint64_t{kRounds} * kBurst);
  EXPECT_EQ(heard[0].size() + heard[1].size() + backend_->counters().rx_dropped,
            uint64_t{kRounds} * kBurst);
}

TEST_P(LanesTest, HearsAllWhileEachHasItsThread) {
  std::array<std::vector<uint32_t>, kLanes> heard;
  {
    std::vector<std::jthread> threads;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      threads.emplace_back([&, lane](const std::stop_token& stop) {
        while (!stop.stop_requested()) Hear(lane, heard[lane]);
        Hear(lane, heard[lane]);
      });
    }
    far_->Send(RepliesOf(7));
  }
  const auto rest = HearAll(0);
  EXPECT_EQ(heard[0].size() + heard[1].size() + rest[0].size() +
                rest[1].size() + backend_->counters().rx_dropped,
            kBurst);
}

TEST_P(LanesTest, SendsFromAllLanesAtOnce) {
  constexpr uint32_t kEach = 3'000;
  {
    std::vector<std::jthread> threads;
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      threads.emplace_back(
          [=, this] { SendNumbers(lane, lane * kEach, (lane + 1) * kEach); });
    }
  }
  std::vector<bool> came(kLanes * kEach);
  std::array<uint32_t, kLanes> next = {0, kEach};
  bool in_order = true;
  for (uint32_t i = 0; i < kLanes * kEach; ++i) {
    const auto frame = far_->Hear(kEtherTypeIpv4);
    ASSERT_TRUE(frame) << i;
    const uint32_t number =
        NumberOf(std::span(*frame).subspan(sizeof(EthernetHeader)));
    ASSERT_LT(number, kLanes * kEach);
    ASSERT_FALSE(came[number]) << number;
    came[number] = true;
    in_order = in_order && number == next[number / kEach]++;
  }
  // What finds no room in the device is sent again, after those behind it.
  const BackendCounters counters = backend_->counters();
  const bool retried = std::any_of(
      counters.own.begin(), counters.own.end(), [](const auto& own) {
        return own.first == "tx_retried" && own.second > 0;
      });
  EXPECT_TRUE(in_order || retried);
  EXPECT_EQ(counters.tx_failed, 0U);
}

TEST_P(LanesTest, SaysOnEachLaneThatTheInterfaceIsGone) {
  ASSERT_TRUE(netns_->Ip("link del veth0").ok());
  for (size_t lane = 0; lane < kLanes; ++lane) {
    absl::Status status;
    for (int i = 0; i < 1'000 && status.ok(); ++i) {
      status = backend_->rx(lane).Receive(Nanos(0)).status();
    }
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  }
}

}  // namespace
}  // namespace fathom
