#include "src/schedule/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <utility>
#include <vector>

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kRates[] = {1,      7,       1000,      2999,      10'000,
                               99'991, 100'000, 1'000'000, 14'880'952};

const Instant kStart{Nanos(1'700'000'000'123'456'789)};

// What a sender did: when it sent, and how many.
using Sent = std::vector<std::pair<Instant, uint64_t>>;

uint64_t Total(const Sent& sent) {
  uint64_t total = 0;
  for (const auto& [when, count] : sent) total += count;
  return total;
}

// Sends as a lane does, sleeping between, until `length` has passed or it woke
// `wakes` times. Each sleep ends `late(when)` after it should.
Sent SendFor(Pacer& pacer, Nanos length, size_t wakes,
             const std::function<Nanos(Instant)>& late) {
  Sent sent;
  Instant now = kStart;
  for (size_t i = 0; i < wakes && now <= kStart + length; ++i) {
    const uint64_t count = pacer.Allowed(now);
    pacer.Take(count);
    sent.emplace_back(now, count);
    now = std::max(pacer.NextDue(now), now);
    now += late(now);
  }
  return sent;
}

// The most that went in any window of this length.
uint64_t Busiest(const Sent& sent, Nanos window) {
  uint64_t most = 0;
  uint64_t inside = 0;
  size_t first = 0;
  for (const auto& [when, count] : sent) {
    inside += count;
    for (; when - sent[first].first >= window; ++first) {
      inside -= sent[first].second;
    }
    most = std::max(most, inside);
  }
  return most;
}

// The most that went in any window beyond what the rate allows for its length:
// a maximum over all pairs of sendings, found in one pass.
double WorstExcess(const Sent& sent, uint64_t rate) {
  double worst = 0;
  double least = 0;
  double before = 0;
  for (size_t i = 0; i < sent.size(); ++i) {
    const double earned = 1e-9 * static_cast<double>(rate) *
                          static_cast<double>((sent[i].first - kStart).count());
    // Least of (sent before i) - earned(i) over all starts of a window.
    least = i == 0 ? before - earned : std::min(least, before - earned);
    before += static_cast<double>(sent[i].second);
    worst = std::max(worst, before - earned - least);
  }
  return worst;
}

TEST(Pacer, HoldsItsMeanRateUnderRandomLateness) {
  for (const uint64_t rate : kRates) {
    for (const int64_t most_late_us : {0, 60, 2000, 8000}) {
      SCOPED_TRACE(testing::Message() << rate << " pps, " << most_late_us);
      std::mt19937_64 random(rate);
      Pacer pacer(rate, kStart);
      const Nanos length = seconds(rate < 100 ? 100'000 : 300);
      const Sent sent = SendFor(pacer, length, 300'000, [&](Instant) {
        return Nanos(most_late_us == 0 ? 0 : random() % (1000 * most_late_us));
      });
      const double elapsed =
          1e-9 * static_cast<double>((sent.back().first - kStart).count());
      const double due = elapsed * static_cast<double>(rate);
      EXPECT_NEAR(static_cast<double>(Total(sent)), due,
                  0.001 * due + static_cast<double>(pacer.quantum()));
    }
  }
}

TEST(Pacer, NeverExceedsRateAndBurstInAnyWindow) {
  for (const uint64_t rate : kRates) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE(testing::Message() << rate << " pps, seed " << seed);
      std::mt19937_64 random(seed);
      Pacer pacer(rate, kStart);
      // Mostly punctual, at times away for up to ten seconds.
      const Sent sent =
          SendFor(pacer, seconds(1'000'000), 20'000, [&](Instant) {
            return Nanos(random() % 100 == 0 ? random() % 10'000'000'000
                                             : random() % 100'000);
          });
      EXPECT_LE(WorstExcess(sent, rate),
                static_cast<double>(pacer.burst()) + 1.001);
      EXPECT_LE(pacer.burst(), pacer.quantum() + rate / 20 + 1);
    }
  }
}

// Polled at any time, not only when due, and taking only part.
TEST(Pacer, HoldsItsBoundsWhenPolledAtRandom) {
  for (const uint64_t rate : kRates) {
    std::mt19937_64 random(rate);
    Pacer pacer(rate, kStart);
    Sent sent;
    Instant now = kStart;
    for (int i = 0; i < 50'000; ++i) {
      const uint64_t allowed = pacer.Allowed(now);
      const uint64_t count = random() % (allowed + 1);
      pacer.Take(count);
      ASSERT_EQ(pacer.Allowed(now), allowed - count);
      sent.emplace_back(now, count);
      now += Nanos(random() % (4'000'000'000 / rate + 2));
    }
    EXPECT_LE(WorstExcess(sent, rate),
              static_cast<double>(pacer.burst()) + 1.001);
  }
}

TEST(Pacer, DoesNotDriftInADay) {
  for (const uint64_t rate : kRates) {
    Pacer pacer(rate, kStart);
    // Steps that share no factor with the second, nor divide it, and in which
    // a quantum is earned or less.
    const Nanos step = rate <= 50 ? Nanos(9'999'991) : Nanos(99'991);
    const int64_t steps = std::chrono::hours(rate <= 50 ? 24 : 1) / step;
    uint64_t total = 0;
    for (int64_t i = 1; i <= steps; ++i) {
      const uint64_t count = pacer.Allowed(kStart + i * step);
      pacer.Take(count);
      total += count;
    }
    __extension__ using Wide = unsigned __int128;
    const auto earned = static_cast<uint64_t>(
        Wide{rate} * (steps * step).count() / 1'000'000'000);
    EXPECT_EQ(total, earned + pacer.quantum()) << rate;
  }
}

TEST(Pacer, WakesAtMostFourThousandTimesASecond) {
  for (const uint64_t rate : kRates) {
    Pacer pacer(rate, kStart);
    const Sent sent =
        SendFor(pacer, seconds(3), 1'000'000, [](Instant) { return Nanos(0); });
    EXPECT_LE(sent.size(), 12'001U) << rate;
    for (const auto& [when, count] : sent) {
      // What is due when it wakes is sent whole; no wake is in vain.
      EXPECT_GE(count, pacer.quantum());
    }
    EXPECT_LE(sent.size(), 3 * rate + 1);
  }
}

// What a scanner that shares its processors has to live with: now and then
// another thread has its turn.
TEST(Pacer, IsEvenToTheMillisecondBetweenStalls) {
  for (const uint64_t rate : {10'000, 50'000, 100'000, 1'000'000}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE(testing::Message() << rate << " pps, seed " << seed);
      std::mt19937_64 random(seed);
      Pacer pacer(rate, kStart);
      Instant stall = kStart;
      const Sent sent =
          SendFor(pacer, seconds(10), 1'000'000, [&](Instant now) {
            if (now < stall) return Nanos(random() % 40'000);
            stall = now + milliseconds(50 + random() % 100);
            return Nanos(random() % 3'000'000);
          });
      EXPECT_LE(static_cast<double>(Busiest(sent, milliseconds(1))),
                1.4e-3 * static_cast<double>(rate));
      EXPECT_NEAR(static_cast<double>(Total(sent)),
                  10 * static_cast<double>(rate),
                  0.001 * 10 * static_cast<double>(rate));
    }
  }
}

TEST(Pacer, NeverSendsMoreThanABatchAtOnce) {
  for (const uint64_t rate : kRates) {
    std::mt19937_64 random(rate);
    Pacer pacer(rate, kStart);
    EXPECT_LE(pacer.batch(), pacer.quantum() * 7 / 4 + rate / 100 + 1);
    const Sent sent = SendFor(pacer, seconds(100), 100'000, [&](Instant) {
      return Nanos(random() % 30'000'000);
    });
    for (const auto& [when, count] : sent) ASSERT_LE(count, pacer.batch());
  }
}

TEST(Pacer, KeepsToARateThatChanges) {
  std::mt19937_64 random(1);
  Pacer pacer(10'000, kStart);
  Instant now = kStart;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t rate = 1 + random() % 1'000'000;
    pacer.SetRate(rate, now);
    EXPECT_LE(pacer.Allowed(now), pacer.quantum());
    const Instant end = now + milliseconds(50);
    uint64_t count = 0;
    for (; now < end; now = pacer.NextDue(now)) {
      count += pacer.Allowed(now);
      pacer.Take(pacer.Allowed(now));
    }
    const double earned = static_cast<double>(rate) * 0.05;
    EXPECT_NEAR(static_cast<double>(count), earned,
                static_cast<double>(pacer.quantum()) + 1);
  }
}

TEST(Pacer, SaysWhenToWakeToTheNanosecond) {
  for (const uint64_t rate : kRates) {
    Pacer pacer(rate, kStart);
    pacer.Take(pacer.Allowed(kStart));
    Instant now = kStart;
    for (int i = 0; i < 1000; ++i) {
      const Instant due = pacer.NextDue(now);
      ASSERT_GT(due, now);
      Pacer early = pacer;
      ASSERT_LT(early.Allowed(due - Nanos(1)), pacer.quantum());
      ASSERT_EQ(pacer.Allowed(due), pacer.quantum());
      pacer.Take(pacer.quantum());
      now = due;
    }
  }
}

TEST(Pacer, ForgetsALongStall) {
  for (const uint64_t rate : kRates) {
    // 292 years, the most that an Instant can express, must not overflow.
    for (const Nanos away :
         {Nanos(seconds(1000)), Nanos(seconds(86'400 * 365)),
          Nanos::max() - kStart.time_since_epoch() - Nanos(seconds(10))}) {
      Pacer pacer(rate, kStart);
      pacer.Take(pacer.Allowed(kStart));
      Instant now = kStart + away;
      uint64_t total = 0;
      for (const Instant end = now + milliseconds(500); now <= end;
           now = pacer.NextDue(now)) {
        total += pacer.Allowed(now);
        pacer.Take(pacer.Allowed(now));
      }
      EXPECT_LE(total, pacer.burst() + rate / 2 + 1);
      EXPECT_GE(total, rate / 2);
    }
  }
}

TEST(Pacer, StandsStillWhenTheClockGoesBack) {
  Pacer pacer(1000, kStart);
  const Instant later = kStart + milliseconds(10);
  pacer.Take(pacer.Allowed(later));
  EXPECT_EQ(pacer.Allowed(kStart), 0U);
  EXPECT_GT(pacer.NextDue(kStart), later);
  EXPECT_EQ(pacer.Allowed(later), 0U);
  EXPECT_EQ(pacer.Allowed(later + milliseconds(1)), 1U);
}

TEST(Pacer, TakesTheHighestRate) {
  Pacer pacer(Pacer::kMaxRate, kStart);
  pacer.Take(pacer.Allowed(kStart));
  EXPECT_EQ(pacer.Allowed(kStart + milliseconds(1)), pacer.quantum() * 5 / 4);
  EXPECT_EQ(pacer.Allowed(kStart + seconds(100)), pacer.batch());
}

}  // namespace
}  // namespace fathom
