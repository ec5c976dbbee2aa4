#include "tools/quantity.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Quantity, ReadsSuffixes) {
  EXPECT_EQ(ParseQuantity("1"), 1);
  EXPECT_EQ(ParseQuantity("10000"), 10'000);
  EXPECT_EQ(ParseQuantity("10K"), 10'000);
  EXPECT_EQ(ParseQuantity("10k"), 10'000);
  EXPECT_EQ(ParseQuantity("1.1K"), 1'100);
  EXPECT_EQ(ParseQuantity("1.5M"), 1'500'000);
  EXPECT_EQ(ParseQuantity("14.88M"), 14'880'000);
  EXPECT_EQ(ParseQuantity("2G"), 2'000'000'000);
}

TEST(Quantity, RefusesWhatIsNoQuantity) {
  for (const char* text :
       {"", "0", "-1", "K", "1KK", "1 K", "0.5", "1.0001", "nan", "inf", "1e3",
        "0x10", "1T", "1e400", "K1", "10000000G"}) {
    EXPECT_FALSE(ParseQuantity(text)) << text;
  }
}

TEST(Quantity, ReadsDurations) {
  EXPECT_EQ(ParseDuration("0"), Nanos(0));
  EXPECT_EQ(ParseDuration("90"), seconds(90));
  EXPECT_EQ(ParseDuration("0.5s"), std::chrono::milliseconds(500));
  EXPECT_EQ(ParseDuration("50ms"), std::chrono::milliseconds(50));
  EXPECT_EQ(ParseDuration("0.5ms"), std::chrono::microseconds(500));
  EXPECT_EQ(ParseDuration("15m"), minutes(15));
  EXPECT_EQ(ParseDuration("1.5h"), minutes(90));
  EXPECT_EQ(ParseDuration("2d"), hours(48));
  for (const char* text : {"", "-1", "s", "ms", "1sms", "1mms", "1w", "1 s",
                           "10 minutes", "nan", "1000000d"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(Quantity, PrintsForPeople) {
  EXPECT_EQ(FormatQuantity(0), "0");
  EXPECT_EQ(FormatQuantity(950), "950");
  EXPECT_EQ(FormatQuantity(1'234), "1.23 K");
  EXPECT_EQ(FormatQuantity(56'700'000), "56.7 M");
  EXPECT_EQ(FormatDuration(seconds(5)), "0:05");
  EXPECT_EQ(FormatDuration(seconds(3'723)), "1:02:03");
  EXPECT_EQ(FormatDuration(hours(76)), "3d 04:00:00");
}

}  // namespace
}  // namespace fathom
