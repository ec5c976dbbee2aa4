#include "src/schedule/address_list.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/prefix.h"

namespace fathom {
namespace {

struct Outcome {
  absl::Status status;
  std::vector<AddressBlock> blocks;
  AddressListCounts counts;
};

Outcome Read(std::string_view text, size_t piece = ~size_t{0}) {
  Outcome outcome;
  AddressListParser parser("list");
  while (!text.empty() && outcome.status.ok()) {
    outcome.status = parser.Feed(text.substr(0, piece), outcome.blocks);
    text.remove_prefix(std::min(piece, text.size()));
  }
  if (outcome.status.ok()) outcome.status = parser.Finish(outcome.blocks);
  outcome.counts = parser.counts();
  return outcome;
}

std::string Error(std::string_view text) {
  return std::string(Read(text).status.message());
}

// The plainest reader of the same language, one line at a time.
std::optional<std::vector<AddressBlock>> Model(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<AddressBlock> blocks;
  bool sound = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    while (!line.empty() && std::string_view(" \t\r").find(line.back()) !=
                                std::string_view::npos) {
      line.pop_back();
    }
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) {
      line.erase(0, 1);
    }
    if (line.empty()) continue;
    const auto prefix = Prefix::Parse(line);
    const bool mapped = prefix && prefix->family() == Family::kIpv4 &&
                        line.find(':') != line.npos;
    if (prefix && !mapped) {
      blocks.push_back({prefix->first(), prefix->length()});
    } else {
      sound = false;
    }
  }
  if (!sound) return std::nullopt;
  return blocks;
}

// IPv6 as it is printed, or groups as they come.
std::string RandomIpv6(std::mt19937_64& random) {
  const auto group = [&] {
    return random() % (random() % 2 == 0 ? 3 : 0x1'0000);
  };
  const IpAddress address = IpAddress::V6(
      group() << 48 | group() << 32 | group(), group() << 48 | group());
  if (random() % 3 == 0) return address.ToString();
  if (random() % 2 == 0) {
    return Prefix(address, static_cast<uint8_t>(random() % 129)).ToString();
  }
  constexpr const char* kGroups[] = {"0",    "00",   "1",      "db8",
                                     "FFFF", "ffff", "0001",   "12345",
                                     "",     "a",    "1.2.3.4"};
  std::string line;
  for (uint64_t i = random() % 9; i > 0; --i) {
    line += kGroups[random() % (random() % 8 == 0 ? 11 : 7)];
    if (i > 1 || random() % 8 == 0) line += ":";
    if (random() % 5 == 0) line += ":";
  }
  if (random() % 4 == 0) line += "/" + std::to_string(random() % 130);
  return line;
}

std::string RandomLine(std::mt19937_64& random) {
  const auto octet = [&] {
    return std::to_string(random() % (random() % 50 == 0 ? 300 : 256));
  };
  std::string line = octet() + "." + octet() + "." + octet() + "." + octet();
  if (random() % 2 == 0) line = RandomIpv6(random);
  switch (random() % 8) {
    case 0:
      line =
          Prefix(IpAddress::V4(static_cast<uint32_t>(random())), random() % 33)
              .ToString();
      break;
    case 1:
      line += "/" + std::to_string(random() % 40);
      break;
    case 2:
      line = std::string(random() % 3, ' ') + line + "\t # why";
      break;
    case 3:
      line = random() % 2 == 0 ? "" : "# 1.2.3.4";
      break;
    default:
      break;
  }
  // One change in a while, of a kind that is near to being right.
  if (random() % 60 == 0) {
    constexpr std::string_view kOdd = "0129./:#-x \t\r\xff";
    line.insert(random() % (line.size() + 1), 1, kOdd[random() % kOdd.size()]);
  }
  return line;
}

TEST(AddressList, AgreesWithAPlainReaderHoweverItIsCut) {
  int sound = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::string text;
    const std::string line_end = seed % 3 == 0 ? "\r\n" : "\n";
    for (uint64_t i = random() % 30; i > 0; --i) {
      text += RandomLine(random) + line_end;
    }
    if (random() % 2 == 0) text += "10.0.0.1";
    if (random() % 9 == 0) text.insert(0, "\xef\xbb\xbf");

    const auto expected = Model(text);
    const Outcome whole = Read(text);
    ASSERT_EQ(whole.status.ok(), expected.has_value()) << text;
    if (expected) {
      ++sound;
      ASSERT_EQ(whole.blocks, *expected);
      ASSERT_EQ(whole.counts.addresses + whole.counts.prefixes,
                expected->size());
    }
    for (const size_t piece : {1U, 2U, 3U, 7U, 64U}) {
      const Outcome cut = Read(text, piece);
      ASSERT_EQ(cut.status, whole.status) << piece;
      ASSERT_EQ(cut.blocks, whole.blocks) << piece;
      ASSERT_EQ(cut.counts.lines, whole.counts.lines) << piece;
      ASSERT_EQ(cut.counts.bad, whole.counts.bad) << piece;
    }
  }
  EXPECT_GT(sound, 400);  // The comparison was not of errors only.
}

TEST(AddressList, BearsWhatEditorsLeave) {
  const Outcome outcome = Read(
      "\xef\xbb\xbf# targets\r\n\r\n  10.0.0.1\t\r\n10.1.0.0/16 # a site\n"
      "\t\n#\n10.0.0.2#near\r\n0.0.0.0/0\n255.255.255.255/32\n10.0.0.3");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  const auto v4 = [](uint32_t number) { return IpAddress::V4(number); };
  EXPECT_EQ(outcome.blocks, (std::vector<AddressBlock>{{v4(0x0a000001), 32},
                                                       {v4(0x0a010000), 16},
                                                       {v4(0x0a000002), 32},
                                                       {v4(0), 0},
                                                       {v4(0xffffffff), 32},
                                                       {v4(0x0a000003), 32}}));
  EXPECT_EQ(outcome.counts.lines, 10U);
  EXPECT_EQ(outcome.counts.addresses, 3U);
  EXPECT_EQ(outcome.counts.prefixes, 3U);
  EXPECT_EQ(outcome.counts.bad, 0U);
}

TEST(AddressList, ReadsBothFamiliesAndCountsThem) {
  const Outcome outcome = Read(
      "2001:DB8::1\r\n::/0\n10.0.0.1\n2001:db8::/32 # all\n"
      "1:2:3:4:5:6:7:8\n::1\n  fe80::1\n::1.2.3.4\n");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  const auto v6 = [](uint64_t high, uint64_t low) {
    return IpAddress::V6(high, low);
  };
  EXPECT_EQ(outcome.blocks,
            (std::vector<AddressBlock>{
                {v6(0x20010db800000000, 1), 128},
                {v6(0, 0), 0},
                {IpAddress::V4(0x0a000001), 32},
                {v6(0x20010db800000000, 0), 32},
                {v6(0x0001000200030004, 0x0005000600070008), 128},
                {v6(0, 1), 128},
                {v6(0xfe80000000000000, 1), 128},
                {v6(0, 0x01020304), 128}}));
  EXPECT_EQ(outcome.counts.addresses, 6U);
  EXPECT_EQ(outcome.counts.prefixes, 2U);
  EXPECT_EQ(outcome.counts.ipv6, 7U);
}

TEST(AddressList, IsEmptyForAnEmptyText) {
  for (const char* text : {"", "\n", "\r\n", "# nothing", "\xef\xbb\xbf"}) {
    const Outcome outcome = Read(text);
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_TRUE(outcome.blocks.empty());
    EXPECT_EQ(outcome.counts.lines, *text == '\0' ? 0U : 1U);
  }
}

// What is wrong, and what is said of it.
struct BadLine {
  std::string_view text;
  const char* said;
};

TEST(AddressList, SaysWhatIsWrongWithALine) {
  const BadLine lines[] = {
      {"10.0.0.1/24", "did you mean 10.0.0.0/24 or 10.0.0.1?"},
      {"10.0.0.0/33", "a number from 0 to 32"},
      {"10.0.0.0/", "a number from 0 to 32"},
      {"10.0.0.0/8x", "a number from 0 to 32"},
      {"10.0.0.0/-1", "a number from 0 to 32"},
      {"10.0.0.0/8/8", "a number from 0 to 32"},
      {"10.0.0.0/4294967304", "a number from 0 to 32"},
      {"10.0.0.256", "four numbers from 0 to 255"},
      {"10.0.0", "four numbers from 0 to 255"},
      {"10.0.0.0.1", "four numbers from 0 to 255"},
      {"010.0.0.1", "without leading zeros"},
      {"/24", "four numbers from 0 to 255"},
      {"10.0.0.1-10.0.0.9", "write them as prefixes"},
      {"10.0.0.1 10.0.0.2", "put one a line"},
      {"10.0.0.1,US", "put one a line"},
      {"example.org", "host names and ports are not"},
      {"10.0.0.1:80", "host names and ports are not"},
      {"2001:db8::1/32", "did you mean 2001:db8::/32 or 2001:db8::1?"},
      {"2001:db8::/129", "a number from 0 to 128"},
      {"2001:db8::/", "a number from 0 to 128"},
      {"2001:db8::1::2", "host names and ports are not"},
      {"[2001:db8::1]", "host names and ports are not"},
      {"fe80::1%eth0", "host names and ports are not"},
      {"::ffff:10.0.0.1", "write it as 10.0.0.1"},
      {"::ffff:a00:1", "write it as 10.0.0.1"},
      {"10.0.0.1\v", "10.0.0.1\\x0b"},
      {"\xff\xfe", "\"\\xff\\xfe\""},
      {"10.0.0.1\r10.0.0.2", "10.0.0.1\\r10.0.0.2"},
      {std::string_view("10.0.0.1\0", 9), "zero byte"},
      {std::string_view("# \0", 3), "zero byte"},
  };
  for (const BadLine& line : lines) {
    const std::string error =
        Error("10.9.9.9\n\n" + std::string(line.text) + "\n10.9.9.8\n");
    EXPECT_NE(error.find(line.said), error.npos) << error;
    EXPECT_EQ(error.find('\0'), error.npos);
    EXPECT_TRUE(error.find("list:3: ") != error.npos ||
                error.find("list: line 3 ") != error.npos)
        << error;
  }
}

TEST(AddressList, ReportsTheFirstBadLinesAndCountsAll) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "10.0.0.1\nbad" + std::to_string(i) + "\n";
  const std::string error = Error(text);
  EXPECT_NE(error.find("100 of 200 lines cannot be used"), error.npos) << error;
  EXPECT_NE(error.find("list:2: \"bad0\""), error.npos) << error;
  EXPECT_NE(error.find("list:10: \"bad4\""), error.npos) << error;
  EXPECT_EQ(error.find("bad5"), error.npos) << error;
  EXPECT_NE(error.find("and 95 more"), error.npos) << error;
}

void ExpectSameHoweverCut(std::string_view text) {
  const Outcome whole = Read(text);
  for (const size_t piece : {1U, 100U, 4095U, 4096U, 4097U}) {
    const Outcome cut = Read(text, piece);
    EXPECT_EQ(cut.status, whole.status) << piece;
    EXPECT_EQ(cut.blocks, whole.blocks) << piece;
  }
}

// The byte-order mark once let a line through that was cut off at the limit.
TEST(AddressList, BoundsTheLengthOfALine) {
  constexpr size_t kMax = AddressListParser::kMaxLine;
  for (const std::string bom : {"", "\xef\xbb\xbf"}) {
    for (size_t length = kMax - 8; length <= kMax + 8; ++length) {
      std::string line = bom + "10.0.0.1 #";
      line.resize(length, 'x');
      for (const char* end : {"", "\n", "\n10.0.0.2\n"}) {
        EXPECT_EQ(Read(line + end).status.ok(), length <= kMax) << length;
        ExpectSameHoweverCut(line + end);
      }
    }
  }
  const std::string error = Error(std::string(5'000'000, 'x'));
  EXPECT_NE(error.find("longer than 4096 bytes"), error.npos);
  EXPECT_LT(error.size(), 200U);
}

}  // namespace
}  // namespace fathom
