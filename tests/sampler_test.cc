#include "src/schedule/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "fathom/prefix.h"
#include "src/schedule/address_sort.h"

namespace fathom {
namespace {

TEST(Sampler, ChoosesOneUsableAddressOfEverySlash24) {
  const Sampler sampler(1, 1);
  std::vector<uint32_t> chosen;
  const AddressBlock slash12{0x0a10'0000, 12};
  sampler.Choose(slash12, chosen);
  ASSERT_EQ(chosen.size(), 4096U);
  ASSERT_EQ(sampler.CountIn(slash12), 4096U);
  std::map<uint32_t, int> hosts;
  for (uint32_t i = 0; i < chosen.size(); ++i) {
    EXPECT_EQ(chosen[i] >> 8, (slash12.first >> 8) + i);
    ++hosts[chosen[i] & 255];
  }
  // All 254 hosts come up, about sixteen times each.
  EXPECT_EQ(hosts.size(), 254U);
  EXPECT_FALSE(hosts.contains(0));
  EXPECT_FALSE(hosts.contains(255));
  for (const auto& [host, count] : hosts) EXPECT_LT(count, 45) << host;
}

TEST(Sampler, ChoosesDistinctAddressesInsideAnyPrefix) {
  for (uint8_t length = 16; length <= 32; ++length) {
    const Prefix prefix(IpAddress::V4(0xc633'6400 + 200), length);
    const AddressBlock block{prefix.first().v4(), length};
    const uint32_t size = uint32_t{1} << (32 - std::max<int>(length, 24));
    const uint32_t usable = size <= 2 ? size : size - 2;
    for (const uint32_t count : {1U, 2U, 3U, 6U, 100U, 253U, 254U, 1000U}) {
      SCOPED_TRACE(testing::Message() << prefix.ToString() << " " << count);
      std::vector<uint32_t> chosen;
      Sampler(count, count).Choose(block, chosen);
      ASSERT_EQ(chosen.size(), Sampler(count, count).CountIn(block));
      ASSERT_EQ(chosen.size(), std::min(usable, count)
                                   << (24 - std::min<int>(length, 24)));
      ASSERT_EQ(std::set<uint32_t>(chosen.begin(), chosen.end()).size(),
                chosen.size());
      for (const uint32_t address : chosen) {
        ASSERT_TRUE(prefix.Contains(IpAddress::V4(address)));
        const uint32_t inner = address & (size - 1);
        ASSERT_TRUE(size <= 2 || (inner != 0 && inner != size - 1)) << inner;
      }
    }
  }
}

TEST(Sampler, KeepsItsChoiceAsListsOverlapAndGrow) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<uint32_t> before;
    for (uint32_t count = 1; count <= 254; count += 1 + count / 3) {
      std::vector<uint32_t> chosen;
      Sampler(seed, count).Choose({0xc000'0200, 24}, chosen);
      if (count < 254) {
        ASSERT_TRUE(std::equal(before.begin(), before.end(), chosen.begin()));
      }
      before = chosen;
    }
    std::vector<uint32_t> wide;
    Sampler(seed, 1).Choose({0xc000'0000, 22}, wide);
    std::vector<uint32_t> narrow;
    Sampler(seed, 1).Choose({0xc000'0200, 24}, narrow);
    ASSERT_EQ(wide[2], narrow[0]);
  }
}

TEST(Sampler, DependsOnTheSeed) {
  std::vector<uint32_t> one;
  std::vector<uint32_t> other;
  Sampler(1, 1).Choose({0x0a00'0000, 12}, one);
  Sampler(2, 1).Choose({0x0a00'0000, 12}, other);
  size_t equal = 0;
  for (size_t i = 0; i < one.size(); ++i) equal += one[i] == other[i] ? 1 : 0;
  EXPECT_LT(equal, 50U);  // 16 are expected.
}

TEST(SortUnique, AgreesWithASet) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<uint32_t> values(random() % 20'000);
    const uint32_t mask = ~uint32_t{0} >> (random() % 32);
    const uint32_t base = random() % 2 == 0 ? 0 : ~mask;
    for (uint32_t& value : values) value = base | (random() & mask);
    if (seed % 4 == 0) std::sort(values.begin(), values.end());
    const std::set<uint32_t> expected(values.begin(), values.end());
    SortUnique(values);
    ASSERT_TRUE(std::equal(values.begin(), values.end(), expected.begin(),
                           expected.end()))
        << seed;
  }
}

}  // namespace
}  // namespace fathom
