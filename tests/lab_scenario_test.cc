#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "src/lab/scenario.h"
#include "src/lab/scenario_fields.h"
#include "tests/temporary_directory.h"

namespace fathom::lab {
namespace {

// Sets every number of a scenario to one that its key allows.
class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : random_(seed) {}

  void operator()(const Field& /*field*/, uint64_t& value) {
    value = random_();
  }
  void operator()(const Field& field, uint32_t& value) {
    value = static_cast<uint32_t>(Draw(field));
  }
  void operator()(const Field& field, double& value) { value = Draw(field); }
  template <typename T>
  void operator()(const Field& field, Range<T>& value) {
    value.min = static_cast<T>(Draw(field));
    value.max = std::max(value.min, static_cast<T>(Draw(field)));
  }
  void operator()(const Field& /*field*/, IpAddress& value) {
    value = IpAddress::V4(0xc6120000 + static_cast<uint32_t>(random_() & 255));
  }
  void operator()(const Field& /*field*/, std::vector<Prefix>& value) {
    value.clear();
    for (uint32_t i = 0; i <= random_() % 4; ++i) {
      value.push_back(Prefix(IpAddress::V4((60 - i) << 24), 8 + i * 3));
    }
  }

 private:
  double Draw(const Field& field) {
    return std::uniform_real_distribution(field.min, field.max)(random_);
  }

  std::mt19937_64 random_;
};

TEST(Scenario, ReadsBackWhatItPrints) {
  EXPECT_EQ(*ParseScenario(PrintScenario({}), "x"), Scenario{});
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Scenario scenario;
    VisitFields(scenario, RandomValues(seed));
    // What one line cannot get right.
    scenario.unrouted = scenario.filtered = scenario.loops = {};
    scenario.unrouted[3] = 1.0 / 3;
    scenario.chain[0].min = 1;
    scenario.chain[0].max = 5;
    scenario.chain[5] = {0, 3};
    scenario.host_ttl_128 = scenario.router_ttl_128 = 0;
    scenario.long_quotes = scenario.per_packet = scenario.prohibited_net = 0;
    scenario.rewritten_targets = scenario.rewritten_flows = 0;
    for (LimitClass& limit : scenario.limits) limit.share /= kLimitClasses;
    const auto parsed = ParseScenario(PrintScenario(scenario), "x");
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n"
                             << PrintScenario(scenario);
    ASSERT_EQ(*parsed, scenario) << "seed " << seed;
  }
}

TEST(Scenario, EveryKeyIsPrintedOnce) {
  std::set<std::string> keys;
  const Scenario scenario;
  VisitFields(scenario, [&](const Field& field, const auto& /*value*/) {
    EXPECT_TRUE(keys.insert(field.name).second) << field.name;
  });
  EXPECT_GT(keys.size(), 50U);
}

TEST(Scenario, ToleratesCommentsBlanksAndWindowsLineEnds) {
  const auto parsed = ParseScenario(
      "# a comment\r\n\r\n  seed=7 # seven\r\n\tspace = 4.0.0.0/16, 5.0.0.0/8 "
      "6.0.0.0/24\r\nspace = 7.0.0.0/24\r\nloss = 0\nchain.16 = 4",
      "x");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->seed, 7U);
  EXPECT_EQ(parsed->space.size(), 4U);
  EXPECT_EQ(parsed->loss, 0);
  EXPECT_EQ(parsed->chain[3], (Range<uint32_t>{4, 4}));
  EXPECT_EQ(*ParseScenario("", "x"), Scenario{});
}

TEST(Scenario, SaysWhereAndWhatIsWrong) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"seed", "x.lab:1: \"seed\" has no ="},
      {"\n\nlos = 0.1", "x.lab:3: there is no key \"los\""},
      {"= 3", "x.lab:1: there is no key \"\""},
      {"chain.9 = 3", "x.lab:1: there is no key \"chain.9\""},
      {"unrouted.root = 0", "there is no key \"unrouted.root\""},
      {"loss = 1.5", "x.lab:1: loss = 1.5: out of range; give 0 to 1"},
      {"loss = -0.5", "loss = -0.5: out of range"},
      {"loss = nan", "x.lab:1: loss = nan: out of range"},
      {"loss = inf", "x.lab:1: loss = inf: out of range"},
      {"loss = ", "loss = : give a number from 0 to 1"},
      {"loss = 0.1%", "loss = 0.1%: give a number"},
      {"loss = 1e-3", "loss = 1e-3: give a number"},
      {"loss = 0.1 0.2", "give a number"},
      {"seed = -1", "seed = -1: give a whole number"},
      {"seed = 18446744073709551616", "give a whole number of at most 64"},
      {"limit_burst.wide = 2.5", "limit_burst.wide = 2.5: give a whole number"},
      {"limit_burst.wide = 0", "out of range; give 1 to 1000000"},
      {"limit_rate.wide = 0", "limit_rate.wide = 0: out of range"},
      {"limit_share.wide = 0.9", "limit_share: the shares add up"},
      {"long_quotes = 0.9", "quotes: the shares add up to more than 1"},
      {"per_packet = 0.9", "per_packet: the shares add up to more than 1"},
      {"seed = 1\ninclude = x", "x.lab:2: include stands in the first line"},
      {"tunnel.explicit = 0\ntunnel.implicit = 0\ntunnel.opaque = 0\n"
       "tunnel.invisible = 0",
       "tunnel: all weights are 0"},
      {"chain.16 = 5-2", "chain.16 = 5-2: ends before it starts"},
      {"chain.16 = 2-", "chain.16 = : give a whole number"},
      {"chain.16 = 2-40", "chain.16 = 40: out of range"},
      {"delay_ms.8 = 1-2-3", "delay_ms.8 = 2-3: give a number"},
      {"seed = 1\nseed = 2", "x.lab:2: seed was given before"},
      {"space =", "x.lab:1: space: no prefix"},
      {"space = 4.0.0.1/8", "space: 4.0.0.1/8 is not a prefix"},
      {"space = 4.0.0.0/8 x", "space: x is not a prefix"},
      {"space = 4.0.0.0/25", "x.lab: space: 4.0.0.0/25 is not an IPv4 prefix"},
      {"space = 2000::/20", "is not an IPv4 prefix of at most 24 bits"},
      {"space = 5.0.0.0/8\nspace = 5.5.0.0/16",
       "x.lab: space: 5.5.0.0/16 lies within 5.0.0.0/8"},
      {"source = 4.1.1.1", "source: 4.1.1.1 lies within 4.0.0.0/6"},
      {"source = 4.1.1", "source = 4.1.1: not an address"},
      {"source = ::1", "source: not an IPv4 address"},
      {"chain.root = 0-2", "chain.root: starts at 0"},
      {"chain.24 = 0-6", "chain.24: up to 6 routers, but there are addresses"},
      {"space = 4.4.4.0/24\nchain.root = 1-6", "chain.root: up to 6 routers"},
      {"unrouted.16 = 0.6\nfiltered.16 = 0.6", "add up to more than 1"},
      {"router_ttl_255 = 0.9\nrouter_ttl_128 = 0.2", "router_ttl: the shares"},
      {"host_ttl_255 = 0.9\nhost_ttl_128 = 0.2", "host_ttl: the shares"},
      {"width.2 = 0\nwidth.3 = 0\nwidth.4 = 0\nwidth.5-8 = 0\n"
       "width.9-16 = 0\nwidth.17-96 = 0",
       "width: all weights are 0"},
  };
  for (const auto& [text, error] : cases) {
    const auto parsed = ParseScenario(text, "x.lab");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.status().message().find(error), absl::string_view::npos)
        << text << "\n  gave: " << parsed.status().message();
  }
}

TEST(Scenario, ErrorsShowNothingThatATerminalObeys) {
  const std::string junk("x\x1b[2J\0\xff", 7);
  for (const std::string& text :
       {junk, junk + " = 1", "seed = " + junk, "loss = " + junk,
        "source = " + junk, "space = " + junk, "chain.16 = 1-" + junk,
        std::string(100'000, 'x')}) {
    const auto parsed = ParseScenario(text, "x.lab");
    ASSERT_FALSE(parsed.ok());
    EXPECT_LT(parsed.status().message().size(), 300U);
    for (const char c : parsed.status().message()) {
      EXPECT_TRUE(c >= ' ' && c < 127) << parsed.status().message();
    }
  }
}

TEST(Scenario, SaysWhichFileCannotBeRead) {
  for (const char* path : {"/no/such.lab", "/", "/dev/zero"}) {
    const auto read = ReadScenario(path);
    ASSERT_FALSE(read.ok()) << path;
    EXPECT_NE(read.status().message().find(path), absl::string_view::npos)
        << read.status();
  }
}

TEST(Scenario, UnicastIsAllThatIsNotSetAside) {
  uint64_t blocks = 0;
  const auto space = UnicastSpace();
  for (const Prefix& prefix : space) {
    blocks += uint64_t{1} << (24 - prefix.length());
  }
  EXPECT_EQ(blocks, 14'461'944U + 3);  // AS112 and AMT are reachable.
  const auto holds = [&](const char* address) {
    return std::any_of(space.begin(), space.end(), [&](const Prefix& prefix) {
      return prefix.Contains(*IpAddress::Parse(address));
    });
  };
  for (const char* in : {"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.1.1",
                         "100.128.0.0", "198.20.0.0", "223.255.255.255"}) {
    EXPECT_TRUE(holds(in)) << in;
  }
  for (const char* out : {"0.1.2.3", "10.0.0.0", "100.64.0.0", "127.0.0.1",
                          "198.19.255.255", "224.0.0.0", "255.255.255.255"}) {
    EXPECT_FALSE(holds(out)) << out;
  }
  EXPECT_EQ(ParseScenario("space = unicast", "x")->space, space);
}

TEST(Scenario, IncludesAnotherFile) {
  const TemporaryDirectory directory;
  const auto write = [&](const char* name, const char* text) {
    std::ofstream(directory.Path(name)) << text;
    return directory.Path(name);
  };
  write("base.lab", "seed = 7\nloss = 0.5\n");
  const auto over = ReadScenario(
      write("over.lab", "# First.\n\ninclude = base.lab # so\nloss = 0.25\n"));
  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_EQ(over->seed, 7U);
  EXPECT_EQ(over->loss, 0.25);
  const auto far_off = ReadScenario(write(
      "far.lab", ("include = " + directory.Path("over.lab") + "\n").c_str()));
  ASSERT_TRUE(far_off.ok()) << far_off.status();
  EXPECT_EQ(far_off->seed, 7U);
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"include = base.lab\n\nlos = 1\n", "bad.lab:3: there is no key"},
      {"include = none.lab\n", "none.lab: No such file"},
      {"include = bad.lab\n", "does one include itself?"}};
  for (const auto& [text, error] : cases) {
    const auto read = ReadScenario(write("bad.lab", text));
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_NE(read.status().message().find(error), absl::string_view::npos)
        << read.status();
  }
}

TEST(Scenario, FilesInTheTreeAreRead) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(FATHOM_SCENARIOS)) {
    EXPECT_TRUE(ReadScenario(entry.path()).ok())
        << ReadScenario(entry.path()).status();
    ++count;
  }
  EXPECT_EQ(count, 8U);
  EXPECT_EQ(*ReadScenario(FATHOM_SCENARIOS "/internet.lab"), Scenario{});
}

}  // namespace
}  // namespace fathom::lab
