// What every backend must do, whatever carries its frames.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/backend_stand.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

TEST_P(BackendTest, LendsAtMostWhatIsAskedAndAtMostTheRing) {
  for (const size_t ring : {1, 5, 64, 2048}) {
    Open(ring);
    for (const size_t want : {0, 1, 3, 64, 5000}) {
      const auto lent = tx().Lend(want);
      EXPECT_LE(lent.size(), std::min(want, ring));
      for (const TxFrame& frame : lent) {
        EXPECT_GE(frame.room.size(), kMaxProbeSize);
      }
      ASSERT_TRUE(tx().Send(0).ok());
    }
  }
}

TEST_P(BackendTest, LendsFramesThatDoNotOverlap) {
  Open(64);
  const auto lent = tx().Lend(64);
  ASSERT_FALSE(lent.empty());
  for (size_t i = 0; i < lent.size(); ++i) {
    std::fill(lent[i].room.begin(), lent[i].room.end(), std::byte(i));
  }
  for (size_t i = 0; i < lent.size(); ++i) {
    for (const std::byte byte : lent[i].room) ASSERT_EQ(byte, std::byte(i));
  }
  ASSERT_TRUE(tx().Send(0).ok());
}

TEST_P(BackendTest, LendsTheWholeRingAgainAndAgainIfNothingIsSent) {
  Open(64);
  const size_t first = tx().Lend(1000).size();
  EXPECT_GT(first, 0U);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(tx().Send(0).ok());
    ASSERT_EQ(tx().Lend(1000).size(), first);
  }
  ASSERT_TRUE(tx().Send(0).ok());
}

TEST_P(BackendTest, DrainsAtOnceWhatWasNotSent) {
  Open();
  EXPECT_TRUE(tx().Drain(Nanos(0)).ok());
}

TEST_P(BackendTest, ReceivesNothingWhereNothingComes) {
  Open();
  for (const Nanos patience : {Nanos(0), Nanos(1), Nanos(milliseconds(3))}) {
    const auto frames = rx().Receive(patience);
    ASSERT_TRUE(frames.ok()) << frames.status();
    EXPECT_TRUE(frames->empty());
  }
}

TEST_P(BackendTest, ClockNeverGoesBack) {
  Open();
  Instant last = backend_->Now();
  for (int i = 0; i < 100'000; ++i) {
    const Instant now = backend_->Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST_P(BackendTest, RefusesARingOfNoFrames) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(GetParam().open(stand_->options(0)).status()));
}

TEST_P(BackendTest, HasTheLanesItSays) {
  Open();
  EXPECT_EQ(backend_->lanes(), 1U);
  EXPECT_FALSE(backend_->Describe().empty());
  EXPECT_EQ(backend_->source().family(), Family::kIpv4);
}

}  // namespace
}  // namespace fathom
