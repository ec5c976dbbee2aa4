#include "src/links/link_merger.h"

#include <gtest/gtest.h>

#include <map>

#include "src/links/link_builder.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

Link AnyLink(Random& random, uint64_t addresses) {
  const auto address = [&] {
    const auto number = static_cast<uint32_t>(Below(random, addresses));
    return number % 5 == 0 ? IpAddress::V6(uint64_t{0x20010db8} << 32, number)
                           : IpAddress::V4(number);
  };
  const auto time = [&random] {
    return Instant(Nanos(static_cast<int64_t>(random())));
  };
  return {.near = address(),
          .far = address(),
          .target = address(),
          .paths = Below(random, 1000),
          .first_seen = time(),
          .last_seen = time(),
          .min_ttl = Ttl(static_cast<uint8_t>(random())),
          .gap = static_cast<uint8_t>(Below(random, 3)),
          .flags = static_cast<uint8_t>(Below(random, 16))};
}

// The rows as plainly as one can make them.
std::vector<Link> Naive(const std::vector<Link>& links) {
  std::map<std::tuple<IpAddress, IpAddress, uint8_t>, Link> rows;
  for (const Link& link : links) {
    const auto [row, is_new] =
        rows.try_emplace({link.near, link.far, link.gap}, link);
    if (is_new) continue;
    Link& sum = row->second;
    sum.paths += link.paths;
    if (link.target < sum.target) sum.target = link.target;
    if (link.first_seen < sum.first_seen) sum.first_seen = link.first_seen;
    if (link.last_seen > sum.last_seen) sum.last_seen = link.last_seen;
    if (link.min_ttl < sum.min_ttl) sum.min_ttl = link.min_ttl;
    uint8_t flags = 0;
    for (uint8_t flag = 1; flag < 16; flag = static_cast<uint8_t>(2 * flag)) {
      const bool a = (sum.flags & flag) != 0;
      const bool b = (link.flags & flag) != 0;
      if (flag == kLinkToDestination ? a || b : a && b) {
        flags = static_cast<uint8_t>(flags | flag);
      }
    }
    sum.flags = flags;
  }
  std::vector<Link> sorted;
  sorted.reserve(rows.size());
  for (const auto& [key, row] : rows) sorted.push_back(row);
  return sorted;
}

struct Merged {
  std::vector<Link> rows;
  uint64_t spilled_runs;
};

Merged Merge(const std::vector<Link>& links, const MergeOptions& options,
             size_t batch) {
  LinkMerger merger(options);
  Merged merged;
  for (size_t i = 0; i < links.size(); i += batch) {
    const size_t length = std::min(batch, links.size() - i);
    EXPECT_TRUE(merger.Add(std::span(links).subspan(i, length)).ok());
  }
  EXPECT_TRUE(merger
                  .Drain([&merged](std::span<const Link> rows) {
                    EXPECT_FALSE(rows.empty());
                    merged.rows.insert(merged.rows.end(), rows.begin(),
                                       rows.end());
                    return absl::OkStatus();
                  })
                  .ok());
  merged.spilled_runs = merger.spilled_runs();
  return merged;
}

TEST(LinkMerger, AgreesWithAMapWhateverItSpills) {
  const TemporaryDirectory directory;
  uint64_t most_runs = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::vector<Link> links;
    const uint64_t count = Below(random, 3000);
    const uint64_t addresses = 1 + Below(random, 60);
    for (uint64_t i = 0; i < count; ++i) {
      links.push_back(AnyLink(random, addresses));
    }
    const auto expected = Naive(links);
    const size_t batch = 1 + Below(random, 500);
    const auto unbounded =
        Merge(links, {.temp_directory = "/nonexistent"}, batch);
    ASSERT_EQ(unbounded.rows, expected) << seed;
    EXPECT_EQ(unbounded.spilled_runs, 0U);
    const MergeOptions bounded = {.max_links = 1 + Below(random, 100),
                                  .temp_directory = directory.path()};
    const auto spilled = Merge(links, bounded, batch);
    ASSERT_EQ(spilled.rows, expected) << seed;
    most_runs = std::max(most_runs, spilled.spilled_runs);
  }
  EXPECT_GT(most_runs, 1000U);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(LinkMerger, DoesNotDependOnTheOrderOfObservations) {
  const TemporaryDirectory directory;
  Random random(1);
  std::vector<Link> links(20'000);
  for (Link& link : links) link = AnyLink(random, 100);
  const MergeOptions options = {.max_links = 5000,
                                .temp_directory = directory.path()};
  const auto first = Merge(links, options, 777);
  EXPECT_GT(first.spilled_runs, 1U);
  for (int turn = 0; turn < 5; ++turn) {
    std::shuffle(links.begin(), links.end(), random);
    ASSERT_EQ(Merge(links, options, 100 + turn).rows, first.rows);
  }
}

TEST(LinkMerger, GivesNothingForNothing) {
  EXPECT_TRUE(Merge({}, {}, 1).rows.empty());
}

TEST(LinkMerger, TellsWhereItCannotSpill) {
  Random random(2);
  LinkMerger merger({.max_links = 1, .temp_directory = "/nonexistent"});
  const Link link = AnyLink(random, 1);
  const absl::Status status = merger.Add({&link, 1});
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("/nonexistent"), absl::string_view::npos);
}

TEST(LinkMerger, PassesOnTheErrorsOfItsSink) {
  const TemporaryDirectory directory;
  Random random(3);
  for (const size_t max_links : {1, 100}) {
    LinkMerger merger(
        {.max_links = max_links, .temp_directory = directory.path()});
    for (int i = 0; i < 10; ++i) {
      const Link link = AnyLink(random, 1000);
      ASSERT_TRUE(merger.Add({&link, 1}).ok());
    }
    EXPECT_EQ(merger.Drain([](auto) { return absl::AbortedError("enough"); }),
              absl::AbortedError("enough"));
  }
}

}  // namespace
}  // namespace fathom
