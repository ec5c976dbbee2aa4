#include "src/schedule/targets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fathom/prefix.h"
#include "src/base/unique_fd.h"
#include "src/net/special_purpose.h"
#include "src/schedule/exclusions.h"

namespace fathom {
namespace {

// A file with given content, gone at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    path_ = testing::TempDir() + "fathom_targets_XXXXXX";
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    close(fd);
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

absl::StatusOr<LoadedTargets> Load(std::string_view text,
                                   TargetOptions options = {}) {
  const TemporaryFile file(text);
  options.path = file.path();
  return LoadTargets(options);
}

std::vector<uint32_t> Numbers(const TargetSet& targets) {
  std::vector<uint32_t> numbers;
  for (size_t i = 0; i < targets.size(); ++i) {
    numbers.push_back(targets[i].v4());
  }
  return numbers;
}

TargetOptions Lab() {
  TargetOptions options;
  options.include_special = true;
  return options;
}

bool AddsUp(const LoadedTargets& loaded) {
  const TargetCounts& counts = loaded.counts;
  return counts.chosen == counts.duplicates + counts.excluded + counts.special +
                              loaded.targets.size();
}

TEST(Targets, AscendWithoutRepeatsAndAddUp) {
  const auto loaded =
      Load("10.0.0.9\n10.0.0.1\n10.0.0.9\n10.1.0.0/22\n10.1.1.0/24\n", Lab());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->targets.size(), 6U);
  EXPECT_EQ(loaded->counts.chosen, 8U);
  EXPECT_EQ(loaded->counts.duplicates, 2U);
  EXPECT_TRUE(AddsUp(*loaded));
  const std::vector<uint32_t> numbers = Numbers(loaded->targets);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  EXPECT_EQ(numbers[0], 0x0a00'0001U);
  EXPECT_EQ(loaded->file.counts.addresses, 3U);
  EXPECT_EQ(loaded->file.counts.prefixes, 2U);
}

// Compared with a set of addresses, cut by asking of each.
TEST(Targets, HoldNothingThatIsForbiddenAndAllElse) {
  const PrefixSet special = SpecialPurposeSet();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    // Around 192.0.0.0/24 and 192.168.0.0/16, where much is special.
    std::string text;
    std::set<uint32_t> all;
    for (int i = 0; i < 3000; ++i) {
      const uint32_t address =
          0xc000'0000 | (random() & (i % 2 == 0 ? 0x0fff : 0xff'ffff));
      text += IpAddress::V4(address).ToString() + "\n";
      all.insert(address);
    }
    std::vector<Prefix> prefixes;
    prefixes.reserve(40);
    for (int i = 0; i < 40; ++i) {
      prefixes.emplace_back(IpAddress::V4(0xc000'0000 | (random() & 0xfff)),
                            static_cast<uint8_t>(24 + random() % 9));
    }
    const PrefixSet exclusions = PrefixSet::FromPrefixes(prefixes);
    TargetOptions options;
    options.exclusions = &exclusions;
    options.include_special = seed % 5 == 0;
    const auto loaded = Load(text, options);
    ASSERT_TRUE(loaded.ok()) << loaded.status();

    uint64_t excluded = 0;
    uint64_t cut = 0;
    std::vector<uint32_t> expected;
    for (const uint32_t address : all) {
      if (exclusions.Contains(address)) {
        ++excluded;
      } else if (!options.include_special && special.Contains(address)) {
        ++cut;
      } else {
        expected.push_back(address);
      }
    }
    EXPECT_EQ(Numbers(loaded->targets), expected);
    EXPECT_EQ(loaded->counts.excluded, excluded);
    EXPECT_EQ(loaded->counts.special, cut);
    EXPECT_EQ(loaded->counts.duplicates, 3000 - all.size());
    EXPECT_TRUE(AddsUp(*loaded));
  }
}

TEST(Targets, NameTheBlockThatCutOutMost) {
  const auto loaded = Load("8.8.8.8\n10.0.0.1\n192.168.0.0/20\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->counts.special, 17U);
  EXPECT_EQ(loaded->counts.special_most,
            "192.168.0.0/16 (Private-Use, RFC 1918)");
}

TEST(Targets, HoldTheWholeInternetFromOneLine) {
  const auto loaded = Load("0.0.0.0/0\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->counts.chosen, uint64_t{1} << 24);
  EXPECT_EQ(loaded->counts.special, SpecialPurposeSet().size() / 256);
  EXPECT_TRUE(AddsUp(*loaded));
  uint32_t before = 0;
  for (size_t i = 0; i < loaded->targets.size(); ++i) {
    const uint32_t address = loaded->targets[i].v4();
    ASSERT_LT(before >> 8, address >> 8);
    before = address;
  }
}

TEST(Targets, AreTheSameForTheSameSeedOnly) {
  TargetOptions options;
  options.seed = 5;
  const auto one = Load("20.0.0.0/12", options);
  EXPECT_EQ(Numbers(one->targets),
            Numbers(Load("20.0.0.0/12", options)->targets));
  options.seed = 6;
  EXPECT_NE(Numbers(one->targets),
            Numbers(Load("20.0.0.0/12", options)->targets));
}

TEST(Targets, AreHashedAsTheyStandInTheFile) {
  // More than a block, so that the hash is taken in pieces.
  std::string text;
  while (text.size() < 3'000'000) text += "20.0.0.1 # same\n";
  const auto loaded = Load(text);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->file.bytes, text.size());
  EXPECT_EQ(loaded->file.xxh3, XXH3_64bits(text.data(), text.size()));
  EXPECT_EQ(loaded->targets.size(), 1U);
}

TEST(Targets, AreReadFromAPipe) {
  const std::string path =
      testing::TempDir() + "fathom_targets_fifo." + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::jthread writer([&path] {
    std::ofstream out(path);
    for (int i = 0; i < 40'000; ++i) {
      out << "20.0." << i / 250 << "." << i % 250 << "\n";
    }
  });
  TargetOptions options;
  options.path = path;
  const auto loaded = LoadTargets(options);
  writer.join();
  std::filesystem::remove(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->targets.size(), 40'000U);
}

TEST(Targets, AreReadFromStandardInputWhichStaysOpen) {
  const TemporaryFile file("20.0.0.1\n20.0.0.2");
  const UniqueFd before(dup(STDIN_FILENO));
  const UniqueFd input(open(file.path().c_str(), O_RDONLY));
  ASSERT_EQ(dup2(input.get(), STDIN_FILENO), STDIN_FILENO);
  TargetOptions options;
  options.path = "-";
  const auto loaded = LoadTargets(options);
  EXPECT_GE(lseek(STDIN_FILENO, 0, SEEK_CUR), 0);
  const auto again = LoadTargets(options);
  if (before.valid()) dup2(before.get(), STDIN_FILENO);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->targets.size(), 2U);
  EXPECT_FALSE(again.ok());
}

TEST(Targets, SayWhyNothingIsLeft) {
  const PrefixSet exclusions = PrefixSet::FromPrefixes(
      std::vector<Prefix>{*Prefix::Parse("20.0.0.0/8")});
  TargetOptions options;
  options.exclusions = &exclusions;
  const auto loaded = Load("10.0.0.1\n10.0.0.2\n20.0.0.1\n20.0.0.1", options);
  ASSERT_FALSE(loaded.ok());
  const std::string error(loaded.status().message());
  EXPECT_NE(error.find("no target is left of 4: 1 were duplicates, 1 excluded, "
                       "2 special-purpose, mostly in 10.0.0.0/8"),
            error.npos)
      << error;
  for (const char* text : {"", "# none\n\n"}) {
    EXPECT_NE(Load(text).status().message().find("no target in"),
              std::string::npos);
  }
}

TEST(Targets, NameTheFileThatCannotBeRead) {
  TargetOptions options;
  options.path = "/nonexistent/targets";
  EXPECT_EQ(LoadTargets(options).status().message(),
            "open /nonexistent/targets: No such file or directory");
  options.path = testing::TempDir();
  EXPECT_NE(LoadTargets(options).status().message().find("is a directory"),
            std::string::npos);
  options.path = "/proc/self/mem";  // Opens, but its first page does not read.
  EXPECT_NE(LoadTargets(options).status().message().find("read /proc/self/mem"),
            std::string::npos);
}

TEST(Targets, RefuseMoreThanTheyMayHold) {
  TargetOptions options;
  options.max_targets = 1000;
  EXPECT_TRUE(Load("20.0.0.0/15", options).ok());
  const auto many = Load("20.0.0.0/15\n20.4.0.0/15\n", options);
  EXPECT_TRUE(absl::IsInvalidArgument(many.status())) << many.status();
  options.per_prefix = 254;
  options.max_targets = uint64_t{1} << 28;
  EXPECT_FALSE(Load("0.0.0.0/0", options).ok());
  options.per_prefix = 0;
  EXPECT_FALSE(Load("20.0.0.0/15", options).ok());
}

TEST(TargetSet, FindsEveryTargetAndNothingElse) {
  for (const size_t count : {0U, 1U, 2U, 3U, 1000U, 50'000U}) {
    std::mt19937_64 random(count);
    std::set<uint32_t> chosen;
    while (chosen.size() < count) {
      // Clustered and spread at once.
      chosen.insert(static_cast<uint32_t>(
          random() % 2 == 0 ? random() : 0xfff'0000 + random() % 100'000));
    }
    const std::vector<uint32_t> numbers(chosen.begin(), chosen.end());
    const TargetSet targets(numbers);
    for (size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(targets.Find(IpAddress::V4(numbers[i])), i);
      for (const uint32_t near : {numbers[i] - 1, numbers[i] + 1}) {
        ASSERT_EQ(targets.Find(IpAddress::V4(near)).has_value(),
                  chosen.contains(near));
        ASSERT_EQ(targets.LowerBound(IpAddress::V4(near)),
                  std::lower_bound(numbers.begin(), numbers.end(), near) -
                      numbers.begin());
      }
    }
    for (const uint32_t end : {0U, ~0U}) {
      ASSERT_EQ(targets.Find(IpAddress::V4(end)).has_value(),
                chosen.contains(end));
    }
    EXPECT_FALSE(targets.Find(*IpAddress::Parse("2001:db8::1")));
  }
}

TEST(TargetSet, FindsEveryIpv6TargetAndNothingElse) {
  for (const size_t count : {1U, 2U, 3U, 1000U, 20'000U}) {
    std::mt19937_64 random(count);
    std::set<IpAddress> chosen;
    while (chosen.size() < count) {
      chosen.insert(random() % 2 == 0 ? IpAddress::V6(random() | 1, random())
                                      : IpAddress::V6(77, random() % 100'000));
    }
    const std::vector<IpAddress> all(chosen.begin(), chosen.end());
    const TargetSet targets(all);
    EXPECT_EQ(targets.family(), Family::kIpv6);
    ASSERT_EQ(targets.size(), all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(targets[i], all[i]);
      ASSERT_EQ(targets.Find(all[i]), i);
      for (const IpAddress& near :
           {IpAddress::V6(all[i].high(), all[i].low() - 1),
            IpAddress::V6(all[i].high(), all[i].low() + 1),
            IpAddress::V6(all[i].high() + 1, all[i].low())}) {
        ASSERT_EQ(targets.Find(near).has_value(), chosen.contains(near));
        ASSERT_EQ(targets.LowerBound(near),
                  std::lower_bound(all.begin(), all.end(), near) - all.begin());
      }
    }
    EXPECT_FALSE(targets.Find(IpAddress::V4(77)));
  }
  EXPECT_EQ(TargetSet().family(), Family::kIpv4);
}

// Compared with a set of addresses, cut by asking of each.
TEST(Targets, OfIpv6HoldNothingThatIsForbiddenAndAllElse) {
  const PrefixSet special = SpecialPurposeSet();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    // Around 2001:db8::/32 and 2002::/16.
    std::string text;
    std::set<IpAddress> all;
    for (int i = 0; i < 2000; ++i) {
      const IpAddress address = IpAddress::V6(
          0x2001'0db0'0000'0000 + ((random() & 0xf) << 32 | (random() & 3)) +
              (random() % 8 == 0 ? uint64_t{1} << 48 : 0),
          random() & 255);
      text += address.ToString() + "\n";
      all.insert(address);
    }
    std::vector<Prefix> prefixes = {*Prefix::Parse("0.0.0.0/1")};
    for (int i = 0; i < 20; ++i) {
      prefixes.emplace_back(
          IpAddress::V6(0x2001'0db0'0000'0000 + ((random() & 0xf) << 32),
                        random() & 255),
          static_cast<uint8_t>(32 + random() % 97));
    }
    const PrefixSet exclusions = PrefixSet::FromPrefixes(prefixes);
    TargetOptions options;
    options.exclusions = &exclusions;
    options.include_special = seed % 5 == 0;
    const auto loaded = Load(text, options);
    std::vector<IpAddress> expected;
    for (const IpAddress& address : all) {
      if (exclusions.Contains(address)) continue;
      if (!options.include_special && special.Contains(address)) continue;
      expected.push_back(address);
    }
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_EQ(loaded->targets.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(loaded->targets[i], expected[i]);
    }
    EXPECT_TRUE(AddsUp(*loaded));
  }
}

TEST(Targets, OfAMixedListAreThoseOfTheFamilyAskedFor) {
  const char* const text =
      "20.0.0.0/23\n2a00::1\n20.9.0.1\n2a00:1::/46\n2a00::1\n";
  const auto mixed = Load(text);
  ASSERT_TRUE(absl::IsInvalidArgument(mixed.status()));
  EXPECT_NE(mixed.status().message().find(
                "2 lines are of IPv4 and 3 of IPv6; a scan is of one family: "
                "choose with --ipv4 (-4) or --ipv6 (-6)"),
            std::string::npos)
      << mixed.status();
  TargetOptions options;
  options.family = Family::kIpv4;
  const auto ipv4 = Load(text, options);
  ASSERT_TRUE(ipv4.ok()) << ipv4.status();
  EXPECT_EQ(ipv4->targets.size(), 3U);
  EXPECT_EQ(ipv4->targets.family(), Family::kIpv4);
  EXPECT_TRUE(AddsUp(*ipv4));
  options.family = Family::kIpv6;
  const auto ipv6 = Load(text, options);
  ASSERT_TRUE(ipv6.ok()) << ipv6.status();
  EXPECT_EQ(ipv6->targets.size(), 5U);
  EXPECT_EQ(ipv6->counts.duplicates, 1U);
  EXPECT_EQ(ipv6->targets.family(), Family::kIpv6);
  EXPECT_TRUE(AddsUp(*ipv6));
  EXPECT_NE(Load("20.0.0.1\n", options)
                .status()
                .message()
                .find("all are of the other family than IPv6"),
            std::string::npos);
}

TEST(Targets, OfIpv6AreRefusedWhereTheyAreTooMany) {
  const auto many = Load("2000::/3");
  EXPECT_TRUE(absl::IsInvalidArgument(many.status())) << many.status();
  EXPECT_NE(many.status().message().find("--granularity"), std::string::npos);
  TargetOptions options;
  options.granularity = 20;
  EXPECT_TRUE(Load("2000::/3", options).ok());
}

TEST(Targets, OfIpv6NameTheBlockThatCutOutMost) {
  const auto loaded = Load("2a00::8\nfe80::1\nfd00::/62\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->counts.special, 5U);
  EXPECT_EQ(loaded->counts.special_most, "fc00::/7 (Unique-Local, RFC 4193)");
}

TEST(Deal, GivesEveryIpv6TargetToOneShardAndOneLane) {
  TargetOptions options = Lab();
  options.granularity = 48;
  const TargetSet targets = Load("2a00::/32", options)->targets;
  constexpr size_t kShards = 3;
  constexpr size_t kLanes = 5;
  std::set<IpAddress> all;
  for (size_t shard = 0; shard < kShards; ++shard) {
    const TargetSet share = Deal(targets, shard, kShards);
    const auto lanes = DealToLanes(share, kLanes);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double even = 65'536.0 / kShards / kLanes;
      EXPECT_NEAR(static_cast<double>(lanes[lane].size()), even,
                  6 * std::sqrt(even));
      for (size_t i = 0; i < lanes[lane].size(); ++i) {
        ASSERT_EQ(ShardOf(lanes[lane][i], kShards), shard);
        ASSERT_EQ(LaneOf(lanes[lane][i], kLanes), lane);
        ASSERT_TRUE(all.insert(lanes[lane][i]).second);
      }
    }
  }
  EXPECT_EQ(all.size(), targets.size());
}

TEST(Deal, GivesEveryTargetToOneShardEvenly) {
  const auto loaded = Load("20.0.0.0/10\n40.1.2.3", Lab());
  const TargetSet& targets = loaded->targets;
  for (const size_t shards : {1U, 2U, 3U, 8U, 61U}) {
    std::vector<uint32_t> all;
    for (size_t shard = 0; shard < shards; ++shard) {
      const TargetSet share = Deal(targets, shard, shards);
      const double even =
          static_cast<double>(targets.size()) / static_cast<double>(shards);
      EXPECT_NEAR(static_cast<double>(share.size()), even, 6 * std::sqrt(even));
      for (size_t i = 0; i < share.size(); ++i) {
        ASSERT_EQ(ShardOf(share[i], shards), shard);
      }
      const std::vector<uint32_t> numbers = Numbers(share);
      ASSERT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, Numbers(targets));
  }
}

TEST(Deal, KeepsWhatSharesAPathTogether) {
  for (uint32_t block = 0; block < 5000; ++block) {
    const uint32_t first = block * 65'599 << 8;
    for (const uint32_t other : {1U, 77U, 255U}) {
      const IpAddress a = IpAddress::V4(first),
                      b = IpAddress::V4(first + other);
      ASSERT_EQ(ShardOf(a, 61), ShardOf(b, 61));
      ASSERT_EQ(LaneOf(a, 16), LaneOf(b, 16));
    }
    const IpAddress a = IpAddress::V6(block, 1),
                    b = IpAddress::V6(block, ~0ULL);
    ASSERT_EQ(ShardOf(a, 61), ShardOf(b, 61));
  }
}

// Also of a shard: the one must not follow from the other.
TEST(Deal, GivesEveryTargetToOneLaneEvenly) {
  const auto loaded = Load("20.0.0.0/10", Lab());
  for (const size_t lanes : {2U, 3U, 16U}) {
    const TargetSet shard = Deal(loaded->targets, 1, 3);
    std::vector<uint32_t> all;
    const auto dealt = DealToLanes(shard, lanes);
    ASSERT_EQ(dealt.size(), lanes);
    for (size_t lane = 0; lane < lanes; ++lane) {
      const double even =
          static_cast<double>(shard.size()) / static_cast<double>(lanes);
      EXPECT_NEAR(static_cast<double>(dealt[lane].size()), even,
                  6 * std::sqrt(even));
      const std::vector<uint32_t> numbers = Numbers(dealt[lane]);
      for (size_t i = 0; i < numbers.size(); ++i) {
        ASSERT_EQ(LaneOf(dealt[lane][i], lanes), lane);
      }
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, Numbers(shard));
  }
}

TEST(Exclusions, JoinTheirFiles) {
  const TemporaryFile one("20.0.0.0/8 # asked us\n\n");
  const TemporaryFile two("30.0.0.1\n20.1.0.0/16\n30.0.0.0/32\n");
  const TemporaryFile none("");
  const auto loaded = LoadExclusions(
      std::vector<std::string>{one.path(), two.path(), none.path()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->set.size(), (uint64_t{1} << 24) + 2);
  ASSERT_EQ(loaded->files.size(), 3U);
  EXPECT_EQ(loaded->files[0].path, one.path());
  EXPECT_EQ(loaded->files[1].counts.addresses, 1U);
  EXPECT_EQ(loaded->files[1].counts.prefixes, 2U);
  EXPECT_EQ(loaded->files[2].counts.lines, 0U);
  EXPECT_NE(loaded->files[0].xxh3, loaded->files[1].xxh3);
  EXPECT_EQ(loaded->files[2].xxh3, XXH3_64bits("", 0));
}

TEST(Exclusions, FailClosed) {
  const TemporaryFile good("20.0.0.0/8\n");
  std::string late;
  for (int i = 0; i < 200'000; ++i) late += "20.0.0.0/8\n";
  for (const std::string& text :
       {std::string("20.0.0.1/8"), std::string("2001:db8::1/32"),
        std::string("example.org"), late + "20.0.0.x", std::string("\0", 1)}) {
    const TemporaryFile bad(text);
    const auto loaded =
        LoadExclusions(std::vector<std::string>{good.path(), bad.path()});
    ASSERT_FALSE(loaded.ok());
    EXPECT_NE(loaded.status().message().find(bad.path()), std::string::npos);
  }
  for (const char* path : {"/nonexistent", "-", "", "/"}) {
    EXPECT_FALSE(
        LoadExclusions(std::vector<std::string>{good.path(), path}).ok());
  }
}

TEST(Exclusions, AreEmptyWithoutFiles) {
  EXPECT_TRUE(LoadExclusions({})->set.empty());
}

}  // namespace
}  // namespace fathom
