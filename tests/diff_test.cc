#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/links/link_builder.h"
#include "src/merge/change_writers.h"
#include "src/merge/diff_datasets.h"
#include "tests/dataset_contents.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using Pair = std::pair<IpAddress, IpAddress>;
using Named = std::map<Pair, Change>;

class Rows final : public ChangeSink {
 public:
  absl::Status TakeLink(const ChangedRow& row) override {
    order_ok &= links.empty() ||
                links.rbegin()->first < Pair(row.any().near, row.any().far);
    links[{row.any().near, row.any().far}] = row.change;
    rows.push_back(row);
    return absl::OkStatus();
  }
  absl::Status TakeInterface(const ChangedRow& row) override {
    interfaces[{row.any().near, row.any().near}] = row.change;
    replies_a += row.change == Change::kCame ? 0 : row.a.paths;
    replies_b += row.change == Change::kWent ? 0 : row.b.paths;
    return absl::OkStatus();
  }

  bool order_ok = true;
  Named links;
  Named interfaces;
  std::vector<ChangedRow> rows;
  uint64_t replies_a = 0;
  uint64_t replies_b = 0;
};

// What sets say.
Named Compare(const std::set<Pair>& a, const std::set<Pair>& b) {
  Named named;
  for (const Pair& pair : a) {
    named[pair] = b.contains(pair) ? Change::kStayed : Change::kWent;
  }
  for (const Pair& pair : b) named.try_emplace(pair, Change::kCame);
  return named;
}

// A scan of some of 60 targets, by routes of which few routers change.
Contents SomeScan(Random& random, Family family) {
  const auto address = [family](uint32_t number) {
    return family == Family::kIpv4
               ? IpAddress::V4(0x0a000000 + number)
               : IpAddress::V6(uint64_t{0x2001'0db8} << 32, number);
  };
  Contents contents{.manifest = kManifest};
  for (uint32_t target = 0; target < 60; ++target) {
    if (Below(random, 3) == 0) continue;
    for (uint32_t ttl = 1; ttl < 9; ++ttl) {
      if (Below(random, 10) == 0) continue;
      contents.replies.push_back(
          {.probe = {address(0x10000 + target * 256),
                     Ttl(static_cast<uint8_t>(ttl)), FlowId(0)},
           .responder = address(ttl * 16 + target % ttl +
                                static_cast<uint32_t>(Below(random, 10) / 9)),
           .received = Instant(std::chrono::seconds(
               1'800'000'000 + static_cast<int64_t>(Below(random, 999)))),
           .rtt = std::chrono::milliseconds(1)});
    }
  }
  contents.links = SyntheticScan::Links(contents.replies);
  std::erase_if(contents.links,
                [](const Link& link) { return link.near == link.far; });
  for (Link& link : contents.links) {
    if (Below(random, 4) == 0) link.flags |= kLinkUnsteady;
  }
  return contents;
}

std::set<IpAddress> TargetsOf(const Contents& contents) {
  std::set<IpAddress> targets;
  for (const Reply& reply : contents.replies) {
    targets.insert(reply.probe.target);
  }
  return targets;
}

std::set<Pair> LinksOf(const std::vector<Link>& links) {
  std::set<Pair> pairs;
  for (const Link& link : links) {
    if (link.gap == 0) pairs.emplace(link.near, link.far);
  }
  return pairs;
}

std::set<Pair> InterfacesOf(const Contents& contents) {
  std::set<Pair> pairs;
  for (const Reply& reply : contents.replies) {
    pairs.emplace(reply.responder, reply.responder);
  }
  return pairs;
}

class DiffTest : public testing::Test {
 protected:
  std::string Write(const Contents& contents) {
    const std::string path = directory_.File(absl::StrCat("d", ++made_));
    WriteDataset(path, contents);
    return path;
  }

  DiffSummary Diff(const DiffOptions& options, Rows& rows) {
    const auto summary = DiffDatasets(options, rows);
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? *summary : DiffSummary{};
  }

  TemporaryDirectory directory_;
  Random random_{1};
  int made_ = 0;
};

TEST_F(DiffTest, SaysWhatSetsSay) {
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const Family family = round % 3 == 0 ? Family::kIpv6 : Family::kIpv4;
    const Contents a = SomeScan(random_, family);
    const Contents b = SomeScan(random_, family);
    // Few rows fit in memory now and then.
    DiffOptions options{
        .a = Write(a), .b = Write(b), .temp_directory = directory_.path()};
    if (round % 2 == 0) options.max_rows = 5;
    Rows rows;
    const DiffSummary summary = Diff(options, rows);
    EXPECT_TRUE(rows.order_ok);
    EXPECT_TRUE(rows.links == Compare(LinksOf(a.links), LinksOf(b.links)));
    EXPECT_TRUE(rows.interfaces == Compare(InterfacesOf(a), InterfacesOf(b)));
    EXPECT_EQ(rows.replies_a, a.replies.size());
    EXPECT_EQ(rows.replies_b, b.replies.size());
    // Each link of either side is counted once.
    uint64_t of_a = 0, of_b = 0;
    for (const ChangeCounts& counts : {summary.trusted, summary.doubtful}) {
      of_a += counts[1] + counts[2];
      of_b += counts[0] + counts[2];
    }
    EXPECT_EQ(of_a, LinksOf(a.links).size());
    EXPECT_EQ(of_b, LinksOf(b.links).size());
    EXPECT_EQ(summary.targets_a + summary.targets_common, TargetsOf(a).size());
    EXPECT_EQ(summary.targets_b + summary.targets_common, TargetsOf(b).size());
    for (const ChangedRow& row : rows.rows) {
      if (row.change == Change::kCame) continue;
      const auto same = [&](const Link& link) { return link == row.a; };
      EXPECT_EQ(std::count_if(a.links.begin(), a.links.end(), same), 1);
    }
    // The other way round what came has gone.
    Rows back;
    std::swap(options.a, options.b);
    const DiffSummary reverse = Diff(options, back);
    EXPECT_EQ(reverse.trusted[0], summary.trusted[1]);
    EXPECT_EQ(reverse.doubtful[1], summary.doubtful[0]);
    EXPECT_EQ(reverse.interfaces[2], summary.interfaces[2]);
  }
}

TEST_F(DiffTest, FindsNothingChangedInOneDataset) {
  const std::string path = Write(SomeScan(random_, Family::kIpv4));
  for (const bool common : {false, true}) {
    Rows rows;
    const DiffSummary summary =
        Diff({.a = path, .b = path, .common_targets = common}, rows);
    EXPECT_FALSE(rows.links.empty());
    for (const auto& counts :
         {summary.trusted, summary.doubtful, summary.interfaces}) {
      EXPECT_EQ(counts[0] + counts[1], 0U);
    }
    EXPECT_EQ(summary.targets_a + summary.targets_b, 0U);
  }
}

// As if neither had heard of the other's targets.
TEST_F(DiffTest, LeavesOutTargetsOfOneOnly) {
  for (int round = 0; round < 6; ++round) {
    Contents a = SomeScan(random_, Family::kIpv4);
    Contents b = SomeScan(random_, Family::kIpv4);
    const std::string path_a = Write(a), path_b = Write(b);
    const auto keep = [](Contents& from, const std::set<IpAddress>& targets) {
      std::erase_if(from.replies, [&](const Reply& reply) {
        return !targets.contains(reply.probe.target);
      });
      from.links = SyntheticScan::Links(from.replies);
      std::erase_if(from.links,
                    [](const Link& link) { return link.near == link.far; });
    };
    const auto targets_a = TargetsOf(a), targets_b = TargetsOf(b);
    keep(a, targets_b);
    keep(b, targets_a);
    Rows rows;
    Diff({.a = path_a,
          .b = path_b,
          .common_targets = true,
          .temp_directory = directory_.path(),
          .max_rows = 7},
         rows);
    EXPECT_TRUE(rows.interfaces == Compare(InterfacesOf(a), InterfacesOf(b)));
    EXPECT_TRUE(rows.links == Compare(LinksOf(a.links), LinksOf(b.links)));
  }
}

TEST_F(DiffTest, RefusesTwoFamilies) {
  Rows rows;
  const auto summary =
      DiffDatasets({.a = Write(SomeScan(random_, Family::kIpv4)),
                    .b = Write(SomeScan(random_, Family::kIpv6))},
                   rows);
  EXPECT_TRUE(absl::IsInvalidArgument(summary.status())) << summary.status();
}

TEST_F(DiffTest, WritesRowsWholeOrNotAtAll) {
  const std::string a = Write(SomeScan(random_, Family::kIpv4));
  const std::string b = Write(SomeScan(random_, Family::kIpv4));
  const std::string csv = directory_.File("changes.csv");
  const std::string tables = directory_.File("changes");
  for (const bool finish : {false, true}) {
    const auto text = *CreateChangeText(csv, ChangeText::kCsv, false);
    const auto parquet = *CreateChangeTables(tables);
    ASSERT_TRUE(DiffDatasets({.a = a, .b = b}, *text).ok());
    ASSERT_TRUE(DiffDatasets({.a = a, .b = b}, *parquet).ok());
    EXPECT_FALSE(std::filesystem::exists(csv));
    EXPECT_FALSE(std::filesystem::exists(tables));
    if (!finish) continue;
    EXPECT_TRUE(text->Finish("{}").ok());
    EXPECT_TRUE(parquet->Finish("{}").ok());
  }
  Rows rows;
  Diff({.a = a, .b = b}, rows);
  const std::string lines = ReadFile(csv);
  EXPECT_EQ(static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n')),
            rows.rows.size() + 1);
  EXPECT_TRUE(lines.starts_with("near,far,change,paths_a,paths_b,"));
  size_t left = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_.path())) {
    left += entry.path().string().find("writing") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(left, 0U);
}

}  // namespace
}  // namespace fathom
