#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "src/lab/reply.h"
#include "src/lab/reply_queue.h"

namespace fathom::lab {
namespace {

// What the queue should do, done plainly.
using Model = std::multimap<Instant, std::vector<std::byte>>;

class QueueAndModel {
 public:
  QueueAndModel(uint64_t seed, Nanos horizon)
      : random_(seed), horizon_(horizon), queue_(horizon) {}

  void Push() {
    // Some at the same instant, some at once, some as late as can be.
    int64_t delay = static_cast<int64_t>(random_() % (horizon_.count() + 1));
    const uint64_t kind = random_() % 8;
    if (kind == 0) delay = 0;
    if (kind == 1) delay = horizon_.count();
    if (kind == 2) delay = horizon_.count() / 2;
    if (kind == 3) delay %= 1000;
    std::vector<std::byte> bytes(random_() % 10 == 0
                                     ? random_() % (kMaxPacketSize + 1)
                                     : random_() % 100);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    const Instant due = now_ + Nanos(delay);
    const auto room = queue_.Push(now_, due, bytes.size());
    ASSERT_EQ(room.size(), bytes.size());
    std::copy(bytes.begin(), bytes.end(), room.begin());
    model_.emplace(due, std::move(bytes));
  }

  void Pop(Instant until) {
    const size_t count = queue_.PopUntil(until, frames_);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_FALSE(model_.empty());
      const auto first = model_.begin();
      ASSERT_EQ(frames_[i].arrival, first->first);
      ASSERT_TRUE(std::equal(frames_[i].bytes.begin(), frames_[i].bytes.end(),
                             first->second.begin(), first->second.end()));
      model_.erase(first);
    }
    if (count < frames_.size()) {
      ASSERT_TRUE(model_.empty() || model_.begin()->first > until);
    }
    ASSERT_EQ(queue_.size(), model_.size());
  }

  void Step() {
    for (uint64_t i = random_() % 20; i > 0; --i) Push();
    if (random_() % 3 > 0) now_ += Nanos(random_() % (horizon_.count() / 8));
    if (random_() % 50 == 0) now_ += 5 * horizon_;
    ASSERT_EQ(queue_.next_due().has_value(), !model_.empty());
    if (!model_.empty()) {
      ASSERT_EQ(*queue_.next_due(), model_.begin()->first);
    }
    if (random_() % 4 > 0) Pop(now_);
  }

  void Finish() {
    while (!model_.empty()) Pop(now_ + horizon_);
    EXPECT_FALSE(queue_.next_due());
  }

 private:
  std::mt19937_64 random_;
  const Nanos horizon_;
  ReplyQueue queue_;
  Model model_;
  Instant now_{std::chrono::seconds(1'767'225'600)};
  std::array<RxFrame, 32> frames_;
};

TEST(ReplyQueue, AgreesWithASortedList) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    // Horizons of less than a day of the calendar, and of thousands.
    const Nanos horizon(int64_t{1000} << (seed % 21));
    QueueAndModel both(seed, horizon);
    for (int i = 0; i < 400; ++i) {
      both.Step();
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
    }
    both.Finish();
  }
}

TEST(ReplyQueue, UsesItsPagesAgain) {
  constexpr Nanos kHorizon = std::chrono::milliseconds(50);
  ReplyQueue queue(kHorizon);
  std::array<RxFrame, 64> frames;
  Instant now{std::chrono::seconds(1'767'225'600)};
  size_t after_warm_up = 0;
  for (int i = 0; i < 400'000; ++i) {
    queue.Push(now, now + Nanos(i * 7919LL % kHorizon.count()), 80);
    now += Nanos(1000);
    if (i % 16 == 0) queue.PopUntil(now, frames);
    if (i == 200'000) after_warm_up = queue.page_bytes();
  }
  EXPECT_EQ(queue.page_bytes(), after_warm_up);
  // 25,000 replies of 96 bytes are on their way at any time.
  EXPECT_LT(after_warm_up, 2 * 25'000 * 96 + (1U << 20));
}

TEST(ReplyQueue, LentBytesLastUntilTheNextPop) {
  ReplyQueue queue(std::chrono::seconds(1));
  const Instant start{std::chrono::seconds(1'767'225'600)};
  for (int i = 0; i < 100; ++i) {
    std::ranges::fill(queue.Push(start, start + Nanos(i), 100), std::byte(i));
  }
  std::array<RxFrame, 100> lent;
  ASSERT_EQ(queue.PopUntil(start + Nanos(100), lent), 100U);
  for (int i = 0; i < 1000; ++i) {
    std::ranges::fill(queue.Push(start, start + Nanos(i), 100), std::byte(255));
  }
  for (int i = 0; i < 100; ++i) {
    for (const std::byte byte : lent[i].bytes) ASSERT_EQ(byte, std::byte(i));
  }
}

}  // namespace
}  // namespace fathom::lab
