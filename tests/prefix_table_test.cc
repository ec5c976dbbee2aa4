#include "src/annotate/prefix_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace fathom {
namespace {

using Entries = std::vector<PrefixTable::Entry>;

// The longest of the prefixes that hold the address, the first if it is there
// several times.
uint32_t NaiveFind(const Entries& entries, const IpAddress& address) {
  const PrefixTable::Entry* best = nullptr;
  for (const auto& entry : entries) {
    if (entry.prefix.family() != address.family() ||
        !entry.prefix.Contains(address)) {
      continue;
    }
    if (best == nullptr || entry.prefix.length() > best->prefix.length()) {
      best = &entry;
    }
  }
  return best == nullptr ? PrefixTable::kNone : best->value;
}

IpAddress Step(const IpAddress& address, int64_t by) {
  if (address.family() == Family::kIpv4) {
    return IpAddress::V4(address.v4() + static_cast<uint32_t>(by));
  }
  const uint64_t low = address.low() + static_cast<uint64_t>(by);
  const uint64_t carry = by > 0 && low == 0             ? 1
                         : by < 0 && address.low() == 0 ? ~uint64_t{0}
                                                        : 0;
  const IpAddress next = IpAddress::V6(address.high() + carry, low);
  // Next to the v4-mapped addresses stand none of IPv6.
  return next.family() == address.family() ? next : address;
}

class Chance {
 public:
  explicit Chance(uint64_t seed) : bits_(seed) {}

  // Few distinct bits near the top and the bottom, so that prefixes lie in
  // each other and touch.
  IpAddress Address(bool v6) {
    const uint64_t high = Word(), low = Word();
    if (!v6) return IpAddress::V4(static_cast<uint32_t>(high >> 32));
    const IpAddress address = IpAddress::V6(high, low);
    return address.family() == Family::kIpv6 ? address : IpAddress::V6(1, 1);
  }

  PrefixTable::Entry Entry(bool v6) {
    const int bits = v6 ? 128 : 32;
    const int length = static_cast<int>(bits_() % (bits + 1));
    return {Prefix(Address(v6), static_cast<uint8_t>(length)),
            static_cast<uint32_t>(bits_() % 6)};
  }

  uint64_t operator()() { return bits_(); }

 private:
  uint64_t Word() {
    switch (bits_() % 4) {
      case 0:
        return bits_();
      case 1:
        return bits_() & 0xf000'000f'f000'000f;
      case 2:
        return ~uint64_t{0} << (bits_() % 64);
      default:
        return bits_() % 2 == 0 ? 0 : ~uint64_t{0};
    }
  }

  std::mt19937_64 bits_;
};

TEST(PrefixTable, FindsWhatANaiveSearchFinds) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Chance chance(seed);
    Entries entries;
    for (uint64_t i = chance() % 60; i > 0; --i) {
      entries.push_back(chance.Entry(chance() % 2 == 0));
    }
    const PrefixTable table = PrefixTable::Build(entries);
    std::vector<IpAddress> asked;
    for (const auto& entry : entries) {
      for (const int64_t by : {-1, 0, 1}) {
        asked.push_back(Step(entry.prefix.first(), by));
        asked.push_back(Step(entry.prefix.last(), by));
      }
    }
    for (int i = 0; i < 100; ++i) asked.push_back(chance.Address(i % 2 == 0));
    for (const IpAddress& address : asked) {
      ASSERT_EQ(table.Find(address), NaiveFind(entries, address))
          << address.ToString();
    }
  }
}

TEST(PrefixTable, FindsNothingInNothing) {
  const PrefixTable table;
  EXPECT_EQ(table.Find(IpAddress::V4(0)), PrefixTable::kNone);
  EXPECT_EQ(table.Find(IpAddress::V6(1, 0)), PrefixTable::kNone);
}

TEST(PrefixTable, KeepsTheFirstOfEqualPrefixes) {
  const Prefix prefix = *Prefix::Parse("10.0.0.0/8");
  const PrefixTable table = PrefixTable::Build({{prefix, 2}, {prefix, 1}});
  EXPECT_EQ(table.Find(IpAddress::V4(0x0a000000)), 2U);
}

TEST(PrefixTable, CoversTheWholeOfEitherFamily) {
  const PrefixTable table = PrefixTable::Build(
      {{*Prefix::Parse("0.0.0.0/0"), 4}, {*Prefix::Parse("::/0"), 6}});
  EXPECT_EQ(table.Find(IpAddress::V4(0)), 4U);
  EXPECT_EQ(table.Find(IpAddress::V4(0xffffffff)), 4U);
  EXPECT_EQ(table.Find(IpAddress::V6(0, 0)), 6U);
  EXPECT_EQ(table.Find(IpAddress::V6(~uint64_t{0}, ~uint64_t{0})), 6U);
}

TEST(PrefixTable, HoldsAMillionPrefixesInTwiceAsManyRanges) {
  Chance chance(1);
  Entries entries;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto address = IpAddress::V4(static_cast<uint32_t>(chance()));
    entries.push_back({Prefix(address, static_cast<uint8_t>(8 + chance() % 25)),
                       static_cast<uint32_t>(chance() % 70'000)});
  }
  const PrefixTable table = PrefixTable::Build(entries);
  EXPECT_LE(table.ranges(), 2 * entries.size() + 1);
  for (const auto& entry : entries) {
    ASSERT_NE(table.Find(entry.prefix.first()), PrefixTable::kNone);
  }
}

}  // namespace
}  // namespace fathom
