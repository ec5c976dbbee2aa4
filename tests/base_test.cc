#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/distinct_counter.h"
#include "src/base/hash.h"
#include "src/base/spsc_ring.h"

namespace fathom {
namespace {

TEST(Checksum, AgreesWithTheExampleOfRfc1071) {
  const std::array<uint8_t, 8> words = {0x00, 0x01, 0xf2, 0x03,
                                        0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(OnesSum(std::as_bytes(std::span(words))), 0xddf2);
}

TEST(Checksum, AgreesWithAddingWordByWord) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 100; ++size) {
    for (int round = 0; round < 100; ++round) {
      std::vector<std::byte> bytes(size);
      // Many ones, so that there is much to carry.
      for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random() % 3 == 0 ? random() : 0xff);
      }
      uint16_t naive = 0;
      for (size_t i = 0; i < size; i += 2) {
        const auto low = i + 1 < size ? std::to_integer<int>(bytes[i + 1]) : 0;
        naive = OnesAdd(naive, static_cast<uint16_t>(
                                   std::to_integer<int>(bytes[i]) << 8 | low));
      }
      ASSERT_EQ(OnesSum(bytes), naive) << size;
    }
  }
}

TEST(Checksum, AddsAnOddByteAsTheHighHalf) {
  const std::array<uint8_t, 3> bytes = {0x12, 0x34, 0x56};
  EXPECT_EQ(OnesSum(std::as_bytes(std::span(bytes))), 0x1234 + 0x5600);
}

TEST(Checksum, SubtractUndoesAdd) {
  for (uint32_t a = 1; a < 0xffff; a += 97) {
    for (uint32_t b = 1; b < 0xffff; b += 1009) {
      ASSERT_EQ(OnesSubtract(OnesAdd(a, b), b), a);
    }
  }
}

// Vector for the eight-byte input 00 01 .. 07 from the authors' table.
TEST(Hash, AgreesWithTheSipHashReference) {
  EXPECT_EQ(
      SipHash({0x0706050403020100, 0x0f0e0d0c0b0a0908}, 0x0706050403020100),
      0x93f5f5799a932462);
  EXPECT_EQ(
      SipHash({0x0706050403020100, 0x0f0e0d0c0b0a0908},
              std::array<uint64_t, 2>{0x0706050403020100, 0x0f0e0d0c0b0a0908}),
      0x3f2acc7f57c29bdb);
}

TEST(Bytes, BigEndianRoundTrips) {
  std::array<std::byte, 4> bytes;
  Store(Be32(0x01020304), bytes);
  EXPECT_EQ(bytes[0], std::byte{1});
  EXPECT_EQ(bytes[3], std::byte{4});
  EXPECT_EQ(Load<Be32>(bytes), 0x01020304U);
}

TEST(SpscRing, HoldsItsCapacityAndNoMore) {
  SpscRing<int> ring(5);  // Rounded up to 8.
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(ring.Push(int{i}));
  EXPECT_FALSE(ring.Push(8));
  std::array<int, 16> out;
  ASSERT_EQ(ring.Pop(out), 8U);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(out[i], i);
  EXPECT_EQ(ring.Pop(out), 0U);
}

TEST(SpscRing, CarriesEverythingInOrderBetweenThreads) {
  constexpr uint64_t kCount = 200'000;
  SpscRing<uint64_t> ring(64);
  std::jthread producer([&ring] {
    for (uint64_t i = 0; i < kCount;) {
      if (ring.Push(uint64_t{i})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t expected = 0;
  std::array<uint64_t, 17> out;
  while (expected < kCount) {
    const size_t count = ring.Pop(out);
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], expected++);
    if (count == 0) std::this_thread::yield();
  }
}

TEST(DistinctCounter, IsRightToFourStandardErrors) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    DistinctCounter counter;
    uint64_t added = 0;
    uint64_t last = 0;
    for (uint64_t wanted = 0; wanted <= 4'000'000;
         wanted = wanted * 5 / 4 + 1) {
      for (; added < wanted; ++added) counter.Add(Derive(seed, added));
      const uint64_t estimate = counter.Estimate();
      EXPECT_NEAR(static_cast<double>(estimate), static_cast<double>(wanted),
                  4 * 0.0081 * static_cast<double>(wanted));
      EXPECT_GE(estimate, last);
      last = estimate;
    }
    // Again: nothing new.
    for (uint64_t i = 0; i < added; ++i) counter.Add(Derive(seed, i));
    EXPECT_EQ(counter.Estimate(), last);
  }
}

TEST(DistinctCounter, CountsTheSameFromManyThreads) {
  constexpr uint64_t kValues = 100'000;
  DistinctCounter alone, shared;
  for (uint64_t i = 0; i < kValues; ++i) alone.Add(Mix(i));
  {
    std::vector<std::jthread> threads;
    for (uint64_t t = 0; t < 3; ++t) {
      // Each adds two thirds of them.
      threads.emplace_back([&shared, t] {
        for (uint64_t i = 0; i < kValues; ++i) {
          if (i % 3 != t) shared.Add(Mix(i));
        }
      });
    }
  }
  EXPECT_EQ(shared.Estimate(), alone.Estimate());
}

}  // namespace
}  // namespace fathom
