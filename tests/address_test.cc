#include "fathom/address.h"

#include <gtest/gtest.h>

#include "fathom/prefix.h"

namespace fathom {
namespace {

TEST(Address, PrintsWhatItRead) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::",
                           "::1", "2001:db8::8:800:200c:417a", "fd00::1"}) {
    const auto address = IpAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(Address, RefusesWhatIsNotAnAddress) {
  for (const std::string_view text :
       {"", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", "01.2.3.4x",
        "::g", "1.2.3.4/24", "a.b.c.d",
        "12345::", "1111:2222:3333:4444:5555:6666:7777:8888:9999"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0.5", 10)));
}

TEST(Address, SortsIpv4ByNumber) {
  EXPECT_LT(IpAddress::V4(0x09ffffff), IpAddress::V4(0x0a000000));
  EXPECT_EQ(IpAddress::Parse("10.0.0.1"), IpAddress::V4(0x0a000001));
  EXPECT_EQ(IpAddress::V4(7).family(), Family::kIpv4);
  EXPECT_EQ(IpAddress().family(), Family::kIpv6);
}

TEST(Prefix, KnowsItsEnds) {
  const auto prefix = Prefix::Parse("10.1.0.0/16");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->ToString(), "10.1.0.0/16");
  EXPECT_EQ(prefix->last().ToString(), "10.1.255.255");
  EXPECT_TRUE(prefix->Contains(*IpAddress::Parse("10.1.2.3")));
  EXPECT_FALSE(prefix->Contains(*IpAddress::Parse("10.2.0.0")));
  EXPECT_FALSE(prefix->Contains(*IpAddress::Parse("fd00::1")));
}

TEST(Prefix, ReadsEveryLengthOfBothFamilies) {
  const IpAddress v4 = *IpAddress::Parse("203.0.113.77");
  for (uint8_t length = 0; length <= 32; ++length) {
    const Prefix prefix(v4, length);
    EXPECT_TRUE(prefix.Contains(v4));
    EXPECT_EQ(prefix.family(), Family::kIpv4) << prefix.ToString();
    EXPECT_EQ(Prefix::Parse(prefix.ToString()), prefix);
    EXPECT_EQ(uint64_t{prefix.last().v4()} - prefix.first().v4() + 1,
              uint64_t{1} << (32 - length));
  }
  const IpAddress v6 = *IpAddress::Parse("2001:db8:1:2:3:4:5:6");
  for (uint8_t length = 0; length <= 128; ++length) {
    const Prefix prefix(v6, length);
    EXPECT_TRUE(prefix.Contains(v6));
    EXPECT_EQ(Prefix::Parse(prefix.ToString()), prefix);
  }
}

TEST(Prefix, RefusesHostBitsAndWrongLengths) {
  for (const char* text :
       {"10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
        "/8", "::/129", "10.0.0.0/999999999999"}) {
    EXPECT_FALSE(Prefix::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace fathom
