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

Sampler Make(uint64_t seed, uint32_t count, uint8_t granularity = 0) {
  return Sampler({.seed = seed, .count = count, .granularity = granularity});
}

AddressBlock Block(const char* text) {
  const auto prefix = Prefix::Parse(text);
  EXPECT_TRUE(prefix.has_value()) << text;
  return {prefix->first(), prefix->length()};
}

TEST(Sampler, ChoosesOneUsableAddressOfEverySlash24) {
  const Sampler sampler = Make(1, 1);
  std::vector<uint32_t> chosen;
  const AddressBlock slash12{IpAddress::V4(0x0a10'0000), 12};
  sampler.Choose(slash12, chosen);
  ASSERT_EQ(chosen.size(), 4096U);
  ASSERT_EQ(sampler.CountIn(slash12), 4096U);
  std::map<uint32_t, int> hosts;
  for (uint32_t i = 0; i < chosen.size(); ++i) {
    EXPECT_EQ(chosen[i] >> 8, (slash12.first.v4() >> 8) + i);
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
    const AddressBlock block{prefix.first(), length};
    const uint32_t size = uint32_t{1} << (32 - std::max<int>(length, 24));
    const uint32_t usable = size <= 2 ? size : size - 2;
    for (const uint32_t count : {1U, 2U, 3U, 6U, 100U, 253U, 254U, 1000U}) {
      SCOPED_TRACE(testing::Message() << prefix.ToString() << " " << count);
      std::vector<uint32_t> chosen;
      Make(count, count).Choose(block, chosen);
      ASSERT_EQ(chosen.size(), Make(count, count).CountIn(block));
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
      Make(seed, count).Choose({IpAddress::V4(0xc000'0200), 24}, chosen);
      if (count < 254) {
        ASSERT_TRUE(std::equal(before.begin(), before.end(), chosen.begin()));
      }
      before = chosen;
    }
    std::vector<uint32_t> wide;
    Make(seed, 1).Choose({IpAddress::V4(0xc000'0000), 22}, wide);
    std::vector<uint32_t> narrow;
    Make(seed, 1).Choose({IpAddress::V4(0xc000'0200), 24}, narrow);
    ASSERT_EQ(wide[2], narrow[0]);
  }
}

// By default a /48 in what is wider, a /64 in what is not.
TEST(Sampler, ChoosesOneAddressOfEveryUnitOfIpv6) {
  struct Case {
    const char* prefix;
    uint8_t granularity;
    uint64_t count;
    int unit;
  };
  for (const Case& c :
       {Case{"2a00::/32", 0, 65'536, 48}, Case{"2a00::/47", 0, 2, 48},
        Case{"2a00::/48", 0, 65'536, 64}, Case{"2a00:1:2:3::/64", 0, 1, 64},
        Case{"2a00:1:2:3::/80", 0, 1, 80}, Case{"2a00::/32", 40, 256, 40},
        Case{"2a00::/32", 32, 1, 32}, Case{"2a00::/32", 16, 1, 32},
        Case{"2a00:0:0:7ff0::/60", 68, 256, 68},
        Case{"2a00::1:0:0/96", 112, 65'536, 112},
        Case{"2a00::fff0/124", 128, 16, 128}, Case{"2a00::1/128", 0, 1, 128},
        Case{"::/0", 8, 256, 8}}) {
    SCOPED_TRACE(c.prefix);
    const AddressBlock block = Block(c.prefix);
    std::vector<IpAddress> chosen;
    const Sampler sampler = Make(3, 1, c.granularity);
    ASSERT_EQ(sampler.CountIn(block), c.count);
    sampler.Choose(block, chosen);
    ASSERT_EQ(chosen.size(), c.count);
    const Prefix whole(block.first, block.length);
    std::set<IpAddress> units;
    for (const IpAddress& address : chosen) {
      ASSERT_TRUE(whole.Contains(address)) << address.ToString();
      ASSERT_EQ(address.family(), Family::kIpv6);
      units.insert(Prefix(address, static_cast<uint8_t>(c.unit)).first());
    }
    ASSERT_EQ(units.size(), c.count);
    ASSERT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
  }
}

TEST(Sampler, ChoosesDistinctAddressesInsideAnyIpv6Unit) {
  for (int length = 48; length <= 128; ++length) {
    const Prefix prefix(*IpAddress::Parse("2a00:1:2:3:4:5:6:7"),
                        static_cast<uint8_t>(length));
    const AddressBlock block{prefix.first(), prefix.length()};
    std::vector<IpAddress> before;
    for (const uint32_t count : {1U, 2U, 7U, 100U, 1000U}) {
      const Sampler sampler = Make(9, count, static_cast<uint8_t>(length));
      std::vector<IpAddress> chosen;
      sampler.Choose(block, chosen);
      const uint64_t hosts =
          length >= 118 ? uint64_t{1} << (128 - length) : uint64_t{count};
      ASSERT_EQ(chosen.size(), std::min<uint64_t>(count, hosts));
      ASSERT_EQ(sampler.CountIn(block), chosen.size());
      ASSERT_EQ(std::set<IpAddress>(chosen.begin(), chosen.end()).size(),
                chosen.size());
      for (const IpAddress& address : chosen) {
        ASSERT_TRUE(prefix.Contains(address));
      }
      ASSERT_TRUE(std::equal(before.begin(), before.end(), chosen.begin()));
      before = chosen;
    }
  }
}

TEST(Sampler, SaysThatAPrefixIsMoreThanAnybodyHolds) {
  EXPECT_EQ(Make(1, 1).CountIn(Block("2000::/3")), uint64_t{1} << 45);
  for (const uint8_t granularity : {64, 100, 128}) {
    EXPECT_GE(Make(1, 1, granularity).CountIn(Block("::/0")),
              uint64_t{1} << 60);
    EXPECT_GE(Make(1, ~0U, granularity).CountIn(Block("2000::/3")),
              uint64_t{1} << 60);
  }
}

TEST(Sampler, KeepsItsChoiceOfIpv6AsListsOverlap) {
  std::vector<IpAddress> wide;
  std::vector<IpAddress> narrow;
  Make(5, 2).Choose(Block("2a00:1::/40"), wide);
  Make(5, 2, 48).Choose(Block("2a00:1:7::/48"), narrow);
  ASSERT_EQ(wide.size(), 512U);
  EXPECT_EQ(std::vector<IpAddress>(wide.begin() + 14, wide.begin() + 16),
            narrow);
}

TEST(Sampler, DependsOnTheSeed) {
  std::vector<uint32_t> one;
  std::vector<uint32_t> other;
  Make(1, 1).Choose({IpAddress::V4(0x0a00'0000), 12}, one);
  Make(2, 1).Choose({IpAddress::V4(0x0a00'0000), 12}, other);
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
