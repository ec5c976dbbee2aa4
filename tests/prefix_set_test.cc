#include "src/net/prefix_set.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "src/net/special_purpose.h"

namespace fathom {
namespace {

// The model: one flag for every address of 10.0.0.0/14, four /16s, so that
// the edges of the index lie inside.
class Model {
 public:
  static constexpr uint32_t kBase = 0x0a00'0000;
  static constexpr uint32_t kSize = 1 << 18;

  void Add(const Prefix& prefix) {
    for (uint32_t i = prefix.first().v4(); i <= prefix.last().v4(); ++i) {
      flags_[i - kBase] = true;
    }
  }
  bool Contains(uint32_t address) const {
    return address - kBase < kSize && flags_[address - kBase];
  }
  std::vector<PrefixSet::Range> Ranges() const {
    std::vector<PrefixSet::Range> ranges;
    for (uint32_t i = 0; i < kSize; ++i) {
      if (!flags_[i]) continue;
      if (i == 0 || !flags_[i - 1]) ranges.push_back({kBase + i, kBase + i});
      ranges.back().last = kBase + i;
    }
    return ranges;
  }

 private:
  std::vector<bool> flags_ = std::vector<bool>(kSize);
};

std::vector<Prefix> RandomPrefixes(std::mt19937_64& random) {
  std::vector<Prefix> prefixes;
  const size_t count = random() % 200;
  const uint8_t shortest = 16 + random() % 16;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t address = Model::kBase + random() % Model::kSize;
    const auto length =
        static_cast<uint8_t>(shortest + random() % (33 - shortest));
    prefixes.emplace_back(IpAddress::V4(address), length);
  }
  return prefixes;
}

TEST(PrefixSet, AgreesWithAFlagForEveryAddress) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::vector<Prefix> prefixes = RandomPrefixes(random);
    Model model;
    for (const Prefix& prefix : prefixes) model.Add(prefix);
    const PrefixSet set = PrefixSet::FromPrefixes(prefixes);

    const std::vector<PrefixSet::Range> expected = model.Ranges();
    ASSERT_EQ(
        std::vector<PrefixSet::Range>(set.ranges().begin(), set.ranges().end()),
        expected);
    uint64_t index = 0;
    for (uint32_t i = 0; i < Model::kSize; ++i) {
      const uint32_t address = Model::kBase + i;
      ASSERT_EQ(set.Contains(address), model.Contains(address)) << address;
      if (!model.Contains(address)) continue;
      ASSERT_EQ(set[index++], IpAddress::V4(address));
    }
    EXPECT_EQ(index, set.size());
    EXPECT_EQ(set.empty(), prefixes.empty());
  }
}

TEST(PrefixSet, UnionHoldsWhatEitherHolds) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    std::mt19937_64 random(seed);
    const PrefixSet a = PrefixSet::FromPrefixes(RandomPrefixes(random));
    const PrefixSet b = PrefixSet::FromPrefixes(RandomPrefixes(random));
    const PrefixSet both = PrefixSet::Union(a, b);
    for (uint32_t i = 0; i < Model::kSize; ++i) {
      const uint32_t address = Model::kBase + i;
      ASSERT_EQ(both.Contains(address),
                a.Contains(address) || b.Contains(address));
    }
  }
}

TEST(PrefixSet, HoldsTheEndsOfTheAddressSpace) {
  const PrefixSet ends = PrefixSet::FromPrefixes(std::vector<Prefix>{
      *Prefix::Parse("255.255.255.255"), *Prefix::Parse("0.0.0.0"),
      *Prefix::Parse("255.255.255.254")});
  EXPECT_EQ(ends.size(), 3U);
  EXPECT_EQ(ends.ranges().size(), 2U);
  EXPECT_TRUE(ends.Contains(0U));
  EXPECT_FALSE(ends.Contains(1U));
  EXPECT_FALSE(ends.Contains(0xffff'fffdU));
  EXPECT_TRUE(ends.Contains(0xffff'ffffU));

  const PrefixSet all =
      PrefixSet::FromPrefixes(std::vector<Prefix>{*Prefix::Parse("0.0.0.0/0")});
  EXPECT_EQ(all.size(), uint64_t{1} << 32);
  EXPECT_EQ(all[0xffff'ffff], IpAddress::V4(0xffff'ffff));
  for (const uint32_t address : {0U, 1U, 0x7fff'ffffU, 0xffff'ffffU}) {
    EXPECT_TRUE(all.Contains(address));
  }
}

TEST(PrefixSet, IsEmptyByDefault) {
  const PrefixSet empty;
  EXPECT_TRUE(empty.empty());
  EXPECT_TRUE(empty.ranges().empty());
  for (const uint32_t address : {0U, 0x0a00'0000U, 0xffff'ffffU}) {
    EXPECT_FALSE(empty.Contains(address));
  }
}

// Compared with asking each prefix, around the ends of all of them.
TEST(PrefixSet, AgreesWithItsIpv6Prefixes) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Prefix> prefixes;
    for (uint64_t i = random() % 30; i > 0; --i) {
      // Much that touches and overlaps.
      const IpAddress address =
          random() % 3 == 0
              ? IpAddress::V6(0x2a00, ~uint64_t{0} << (random() % 64))
              : IpAddress::V6(0x2a00 + random() % 3, random() % 5);
      prefixes.emplace_back(address, static_cast<uint8_t>(60 + random() % 69));
    }
    const PrefixSet set = PrefixSet::FromPrefixes(prefixes);
    EXPECT_EQ(set.empty(), prefixes.empty());
    EXPECT_EQ(set.size(), 0U);
    const auto check = [&](const IpAddress& address) {
      const bool expected =
          std::any_of(prefixes.begin(), prefixes.end(),
                      [&](const Prefix& p) { return p.Contains(address); });
      ASSERT_EQ(set.Contains(address), expected) << address.ToString();
    };
    for (const Prefix& prefix : prefixes) {
      for (const IpAddress& end : {prefix.first(), prefix.last()}) {
        check(end);
        check(IpAddress::V6(end.high() - (end.low() == 0 ? 1 : 0),
                            end.low() - 1));
        check(IpAddress::V6(end.high() + (~end.low() == 0 ? 1 : 0),
                            end.low() + 1));
      }
    }
    for (size_t i = 1; i < set.ranges6().size(); ++i) {
      ASSERT_LT(set.ranges6()[i - 1].last, set.ranges6()[i].first);
    }
    const PrefixSet half =
        PrefixSet::FromPrefixes(std::span(prefixes).first(prefixes.size() / 2));
    const PrefixSet rest = PrefixSet::FromPrefixes(
        std::span(prefixes).subspan(prefixes.size() / 2));
    const PrefixSet both = PrefixSet::Union(half, rest);
    EXPECT_TRUE(std::equal(both.ranges6().begin(), both.ranges6().end(),
                           set.ranges6().begin(), set.ranges6().end()));
  }
}

TEST(PrefixSet, KeepsTheFamiliesApart) {
  const PrefixSet all =
      PrefixSet::FromPrefixes(std::vector<Prefix>{*Prefix::Parse("::/0")});
  EXPECT_FALSE(all.empty());
  EXPECT_TRUE(all.Contains(*IpAddress::Parse("2001:db8::1")));
  EXPECT_TRUE(all.Contains(IpAddress()));
  EXPECT_FALSE(all.Contains(*IpAddress::Parse("8.8.8.8")));
}

TEST(PrefixSet, HoldsNoIpv6Address) {
  const PrefixSet all =
      PrefixSet::FromPrefixes(std::vector<Prefix>{*Prefix::Parse("0.0.0.0/0")});
  EXPECT_FALSE(all.Contains(*IpAddress::Parse("2001:db8::1")));
  EXPECT_FALSE(all.Contains(IpAddress()));
}

bool IsSpecial(const char* text) {
  return SpecialPurposeSet().Contains(*IpAddress::Parse(text));
}

TEST(SpecialPurpose, CoversWhatIsNotOnTheInternet) {
  for (const char* text : {"0.0.0.0",
                           "0.255.255.255",
                           "10.0.0.0",
                           "10.255.255.255",
                           "100.64.0.0",
                           "100.127.255.255",
                           "127.0.0.1",
                           "169.254.1.1",
                           "172.16.0.0",
                           "172.31.255.255",
                           "192.0.0.0",
                           "192.0.0.170",
                           "192.0.0.255",
                           "192.0.2.0",
                           "192.0.2.255",
                           "192.88.99.2",
                           "192.168.0.0",
                           "192.168.255.255",
                           "198.18.0.0",
                           "198.19.255.255",
                           "198.51.100.77",
                           "203.0.113.0",
                           "203.0.113.255",
                           "224.0.0.0",
                           "239.255.255.9",
                           "240.0.0.0",
                           "255.255.255.255",
                           "233.252.0.1",
                           "::",
                           "::1",
                           "64:ff9b:1::",
                           "100::",
                           "100::ffff:ffff:ffff:ffff",
                           "100:0:0:1::",
                           "2001::",
                           "2001:1ff:ffff::",
                           "2001:2::",
                           "2001:db8::1",
                           "2002::",
                           "2002:ffff::",
                           "3fff::",
                           "3fff:fff::",
                           "5f00::",
                           "fc00::",
                           "fd00::1",
                           "fe80::1",
                           "febf:ffff::",
                           "ff02::1"}) {
    EXPECT_TRUE(IsSpecial(text)) << text;
  }
}

TEST(SpecialPurpose, LeavesTheInternetAlone) {
  for (const char* text : {"1.0.0.0",          "9.255.255.255",
                           "11.0.0.0",         "100.63.255.255",
                           "100.128.0.0",      "126.255.255.255",
                           "128.0.0.0",        "169.253.255.255",
                           "169.255.0.0",      "172.15.255.255",
                           "172.32.0.0",       "192.0.1.0",
                           "192.0.3.0",        "191.255.255.255",
                           "192.88.98.255",    "192.88.100.0",
                           "192.167.255.9",    "192.169.0.0",
                           "198.17.255.1",     "198.20.0.0",
                           "198.51.99.255",    "198.51.101.0",
                           "203.0.112.255",    "203.0.114.0",
                           "223.255.255.25",   "8.8.8.8",
                           "192.31.196.1",     "192.52.193.1",
                           "192.175.48.1",     "::2",
                           "64:ff9b::808:808", "64:ff9b:2::",
                           "100:0:0:2::",      "2001:200::",
                           "2001:db7:ffff::",  "2001:db9::",
                           "2003::",           "2400::",
                           "2620:4f:8000::1",  "2606:4700::1111",
                           "2a00::",           "3ffe:ffff::",
                           "3fff:1000::",      "5eff::",
                           "5f01::",           "fbff::"}) {
    EXPECT_FALSE(IsSpecial(text)) << text;
  }
}

TEST(SpecialPurpose, CoversAsManyIpv4AddressesAsTheRegistry) {
  const uint64_t slash8 = uint64_t{1} << 24;
  EXPECT_EQ(SpecialPurposeSet().size(),
            slash8 * (1 + 1 + 1 + 32) + (uint64_t{1} << 22) +
                (uint64_t{1} << 20) + (uint64_t{1} << 17) + 2 * 65'536 +
                5 * 256);
}

TEST(SpecialPurpose, BlocksAscendAndHaveNoHostBits) {
  const auto blocks = SpecialPurposeBlocks();
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i].prefix().first(), blocks[i].first)
        << blocks[i].ToString();
    if (i > 0 && blocks[i].first.family() == blocks[i - 1].first.family()) {
      EXPECT_LE(blocks[i - 1].first, blocks[i].first);
    }
  }
  EXPECT_EQ(blocks[2].ToString(), "10.0.0.0/8 (Private-Use, RFC 1918)");
}

}  // namespace
}  // namespace fathom
