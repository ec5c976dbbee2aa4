#include "src/schedule/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace fathom {
namespace {

std::vector<uint64_t> All(const Permutation& permutation) {
  std::vector<uint64_t> numbers(permutation.size());
  permutation.Fill(0, numbers);
  return numbers;
}

bool HoldsEachOnce(const std::vector<uint64_t>& numbers) {
  std::vector<bool> seen(numbers.size());
  for (const uint64_t number : numbers) {
    if (number >= seen.size() || seen[number]) return false;
    seen[number] = true;
  }
  return true;
}

TEST(Permutation, HoldsEachNumberOnceForEverySmallSize) {
  for (uint64_t size = 0; size <= 3000; ++size) {
    for (uint64_t key = 0; key < 4; ++key) {
      ASSERT_TRUE(HoldsEachOnce(All(Permutation(size, key ^ size << 8))))
          << "size " << size << " key " << key;
    }
  }
}

TEST(Permutation, HoldsEachNumberOnceForAwkwardSizes) {
  std::vector<uint64_t> sizes = {65'537, 99'991, 1'000'003, (1 << 24) + 43};
  for (int bits = 12; bits <= 21; ++bits) {
    for (const int off : {-1, 0, 1}) sizes.push_back((1 << bits) + off);
  }
  for (const uint64_t size : sizes) {
    for (const uint64_t key : {uint64_t{1}, ~uint64_t{0}}) {
      ASSERT_TRUE(HoldsEachOnce(All(Permutation(size, key)))) << size;
    }
  }
}

// Too large to try all: what comes out must at least be in range, and, being
// few of many, all different.
TEST(Permutation, StaysInRangeForHugeSizes) {
  for (const int bits : {33, 40, 48, 53, 61, 62}) {
    for (const int off : {-1, 0, 1}) {
      const uint64_t size =
          std::min((uint64_t{1} << bits) + off, Permutation::kMaxSize);
      const Permutation permutation(size, static_cast<uint64_t>(bits));
      std::vector<uint64_t> numbers;
      for (uint64_t i = 0; i < 3000; ++i) {
        numbers.push_back(permutation(i));
        numbers.push_back(permutation(size - 1 - i));
      }
      std::sort(numbers.begin(), numbers.end());
      EXPECT_LT(numbers.back(), size);
      EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()),
                numbers.end());
    }
  }
}

TEST(Permutation, SeeksToWhereAWalkWouldCome) {
  for (const uint64_t size : {1U, 2U, 77U, 1000U, 65'537U}) {
    const Permutation permutation(size, size);
    const std::vector<uint64_t> walk = All(permutation);
    for (uint64_t i = 0; i < size; ++i) ASSERT_EQ(permutation(i), walk[i]);
    std::vector<uint64_t> part(size / 3);
    permutation.Fill(size / 2, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), walk.begin() + size / 2));
  }
}

TEST(Permutation, DependsOnTheKey) {
  constexpr uint64_t kSize = 100'000;
  const std::vector<uint64_t> one = All(Permutation(kSize, 1));
  EXPECT_EQ(one, All(Permutation(kSize, 1)));
  for (const uint64_t key : {uint64_t{0}, uint64_t{2}, uint64_t{1} << 63}) {
    const std::vector<uint64_t> other = All(Permutation(kSize, key));
    size_t equal = 0;
    for (size_t i = 0; i < kSize; ++i) equal += one[i] == other[i] ? 1 : 0;
    EXPECT_LT(equal, 12U) << key;  // One is expected of two random orders.
  }
}

TEST(SliceOf, CoversEveryPlaceOnceInEvenParts) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{7},
                              uint64_t{1000}, Permutation::kMaxSize}) {
    for (const uint64_t shards : {1U, 2U, 3U, 7U, 64U, 1001U}) {
      uint64_t next = 0;
      for (uint64_t shard = 0; shard < shards; ++shard) {
        const Slice slice = SliceOf(size, shard, shards);
        ASSERT_EQ(slice.begin, next);
        ASSERT_LE(slice.end - slice.begin - size / shards, 1U);
        next = slice.end;
      }
      ASSERT_EQ(next, size);
    }
  }
}

// How many standard deviations the counts are from even ones.
double Unevenness(const std::vector<uint64_t>& counts) {
  const double expected =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0.0)) /
      static_cast<double>(counts.size());
  double chi_square = 0;
  for (const uint64_t count : counts) {
    const double off = static_cast<double>(count) - expected;
    chi_square += off * off / expected;
  }
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (chi_square - freedom) / std::sqrt(2 * freedom);
}

// The order of a sweep: number % 32 is the TTL, number / 32 the target.
constexpr uint64_t kTtls = 32;

TEST(Permutation, SpreadsTtlsAndTargetsOverEveryWindowOfTime) {
  for (const uint64_t targets : {65'536U, 100'000U, 1'000'003U, 14'500'000U}) {
    const uint64_t size = targets * kTtls;
    const Permutation permutation(size, targets);
    std::vector<uint64_t> window(20'000);
    for (uint64_t part = 0; part < 50; ++part) {
      permutation.Fill(SliceOf(size, part, 50).begin, window);
      std::vector<uint64_t> by_ttl(kTtls);
      std::vector<uint64_t> by_block(500);
      for (const uint64_t number : window) {
        ++by_ttl[number % kTtls];
        ++by_block[number / kTtls * 500 / targets];
      }
      EXPECT_LT(Unevenness(by_ttl), 6) << targets << " part " << part;
      EXPECT_LT(Unevenness(by_block), 6) << targets << " part " << part;
    }
  }
}

// Neighbours in the order, at several distances, know nothing of each other.
TEST(Permutation, LeavesNoPatternBetweenNeighbours) {
  constexpr uint64_t kCells = 64;
  for (const uint64_t size : {uint64_t{2'097'152}, uint64_t{3'200'000},
                              uint64_t{464'000'000}, uint64_t{1} << 40}) {
    const Permutation permutation(size, size + 3);
    std::vector<uint64_t> walk(1 << 20);
    permutation.Fill(0, walk);
    for (const size_t apart : {1U, 2U, 32U, 256U, 1024U, 4096U, 65'536U}) {
      std::vector<uint64_t> high(kCells * kCells);
      std::vector<uint64_t> low(kCells * kCells);
      for (size_t i = 0; i + apart < walk.size(); ++i) {
        const uint64_t here = walk[i];
        const uint64_t there = walk[i + apart];
        const uint64_t cell = size / kCells + 1;
        ++high[here / cell * kCells + there / cell];
        ++low[here % kCells * kCells + there % kCells];
      }
      EXPECT_LT(Unevenness(high), 6) << size << " apart " << apart;
      EXPECT_LT(Unevenness(low), 6) << size << " apart " << apart;
    }
  }
}

// Found a fault: with keys as multipliers, one key in 400 was 40 standard
// deviations off.
TEST(Permutation, HasNoWeakKeys) {
  for (const uint64_t targets : {20'000U, 65'536U, 1'000'003U}) {
    for (uint64_t key = 0; key < 400; ++key) {
      const Permutation permutation(targets * kTtls, key);
      std::vector<uint64_t> walk(20'000);
      permutation.Fill(targets * kTtls / 2, walk);
      std::vector<uint64_t> ttls(kTtls);
      std::vector<uint64_t> pairs(kTtls * kTtls);
      for (size_t i = 1; i < walk.size(); ++i) {
        ++ttls[walk[i] % kTtls];
        ++pairs[walk[i - 1] % kTtls * kTtls + walk[i] % kTtls];
      }
      EXPECT_LT(Unevenness(ttls), 7) << targets << " key " << key;
      EXPECT_LT(Unevenness(pairs), 7) << targets << " key " << key;
    }
  }
}

}  // namespace
}  // namespace fathom
