#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/simulated.h"
#include "src/engine/manifest.h"
#include "src/lab/ipv6.h"
#include "src/lab/scenario.h"
#include "src/links/build_dataset.h"
#include "src/links/link_builder.h"
#include "src/links/reply_spool.h"
#include "src/merge/merge_datasets.h"
#include "src/schedule/targets.h"
#include "tests/dataset_contents.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Whether two datasets are the same, to the byte.
testing::AssertionResult SameBytes(const std::string& a, const std::string& b) {
  const auto names = FilesIn(a);
  if (names != FilesIn(b)) {
    return testing::AssertionFailure()
           << a << " and " << b << " have not the same files";
  }
  for (const std::string& name : names) {
    if (ReadFile(absl::StrCat(a, "/", name)) ==
        ReadFile(absl::StrCat(b, "/", name))) {
      continue;
    }
    return testing::AssertionFailure()
           << name << " differs; the manifests in "
           << Json::diff(Json::parse(ReadFile(a + "/manifest.json")),
                         Json::parse(ReadFile(b + "/manifest.json")));
  }
  return testing::AssertionSuccess();
}

// What a scan is to be called.
struct Naming {
  std::string vantage{};
  uint64_t seed = 7;
  int start_s = 1'800'000'000;
  uint32_t shard = 0;  // From 1; 0 for none.
  uint32_t of = 0;
};

std::string ManifestOf(const Naming& naming, const std::string& manifest) {
  Json json = Json::parse(manifest);
  json["vantage"] = naming.vantage;
  if (naming.of != 0) {
    json["shard"] = {{"number", naming.shard}, {"of", naming.of}};
  }
  return json.dump(2);
}

// Replies as a scan of few routers hears them, by one to three probes a cell,
// with loss, balancers and hosts.
std::vector<Reply> MadeUpReplies(Random& random, Family family,
                                 uint32_t targets) {
  const auto address = [family](uint32_t number) {
    return family == Family::kIpv4
               ? IpAddress::V4(0x0a000000 + number)
               : IpAddress::V6(uint64_t{0x2001'0db8} << 32, number);
  };
  static const std::vector<std::byte> kLabel = {
      std::byte{0}, std::byte{8}, std::byte{1},   std::byte{1},
      std::byte{0}, std::byte{1}, std::byte{'q'}, std::byte{1}};
  std::vector<Reply> replies;
  for (uint32_t target = 0; target < targets; ++target) {
    // Far enough apart to fall into different shards.
    const IpAddress to = address(0x10000 + target * 256 + 9);
    const auto length = static_cast<uint8_t>(3 + Below(random, 9));
    for (uint8_t ttl = 1; ttl <= length; ++ttl) {
      for (uint64_t copies = Below(random, 4); copies > 0; --copies) {
        Reply reply{.probe = {to, Ttl(ttl), FlowId(0)}};
        const bool end = ttl == length && Below(random, 2) == 0;
        reply.responder = end ? to
                              : address(ttl * 16U + static_cast<uint32_t>(Below(
                                                        random, 1 + ttl / 3)));
        reply.kind = end ? ReplyKind::kDestination : ReplyKind::kHop;
        reply.icmp_type = end ? 0 : 11;
        reply.received =
            Instant(seconds(1'800'000'000) +
                    milliseconds(static_cast<int64_t>(Below(random, 100'000))));
        reply.rtt = milliseconds(static_cast<int64_t>(1 + Below(random, 200)));
        if (Below(random, 5) == 0) reply.extensions.bytes = kLabel;
        replies.push_back(reply);
      }
    }
  }
  return replies;
}

class MergeTest : public testing::Test {
 protected:
  // The dataset of a scan that heard `replies`.
  std::string Build(const std::vector<Reply>& replies, const Naming& naming,
                    uint64_t probed = 0) {
    const std::string path = New();
    const std::string spool_path = path + ".spool";
    {
      auto spool = *ReplySpool::Create(
          spool_path, {.boundaries = {}, .buffer_records = 64});
      spool->inlet(0).Consume(Instant(seconds(1)), replies);
    }
    const auto reader = *SpoolReader::Open(spool_path);
    const auto writer = CreateDataset(path);
    LinkOptions options;
    options.merge.temp_directory = directory_.path();
    const auto stats = BuildDataset(*reader, options, *writer);
    EXPECT_TRUE(stats.ok()) << stats.status();
    const Instant start(seconds(naming.start_s));
    ScanRecord record{.configuration = Json({{"targets", {{"probed", probed}}},
                                             {"seed", naming.seed},
                                             {"pps", 1000}})
                                           .dump(),
                      .start = start,
                      .sending_end = start + seconds(50),
                      .stop = start + seconds(60),
                      .links = *stats};
    record.counts.emplace();
    record.counts->planned = probed * 32;
    record.counts->sent = std::max(probed * 1000, stats->answered());
    record.counts->second_look = {{"repair", probed, probed, 0}};
    record.counts->backend.own = {{"made up", probed}};
    EXPECT_TRUE(writer->Finish(ManifestOf(naming, MakeManifest(record))).ok());
    return path;
  }

  // A scan of few random replies.
  std::string Random1(const Naming& naming, Family family = Family::kIpv4) {
    return Build(MadeUpReplies(random_, family,
                               static_cast<uint32_t>(1 + Below(random_, 8))),
                 naming);
  }

  // Another name for a dataset.
  std::string New() {
    return directory_.File(absl::StrCat("dataset-", ++made_));
  }

  std::string Merge(std::vector<std::string> inputs, bool partial = false,
                    size_t most_open = 16) {
    std::shuffle(inputs.begin(), inputs.end(), random_);
    const std::string path = New();
    const auto summary = MergeDatasets({.inputs = inputs,
                                        .output = path,
                                        .partial = partial,
                                        .most_open = most_open});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return path;
  }

  // That merging says no, and why, and leaves nothing.
  void Refuses(const std::vector<std::string>& inputs,
               const std::vector<std::string>& whys, bool partial = false) {
    const auto before = FilesIn(directory_.path());
    const auto summary = MergeDatasets({.inputs = inputs,
                                        .output = directory_.File("refused"),
                                        .partial = partial});
    ASSERT_FALSE(summary.ok());
    for (const std::string& why : whys) {
      EXPECT_NE(std::string(summary.status().message()).find(why),
                std::string::npos)
          << summary.status() << "\nlacks " << why;
    }
    EXPECT_EQ(FilesIn(directory_.path()), before);
  }

  TemporaryDirectory directory_;
  Random random_{20'261'124};
  int made_ = 0;
};

// Without the seals, which are of the footers, too, and so of times.
Json ManifestIn(const std::string& path) {
  Json manifest = Json::parse(ReadFile(path + "/manifest.json"));
  manifest.erase("files");
  manifest.erase("files_xxh3");
  return manifest;
}

TEST_F(MergeTest, ShardsMakeTheWholeScanToTheByte) {
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const Family family = round % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
    const uint32_t of = 1U + static_cast<uint32_t>(round) % 4U;
    const uint32_t targets = round < 8 ? 60 : 700;
    const auto replies = MadeUpReplies(random_, family, targets);
    std::vector<std::string> shards;
    for (uint32_t shard = 0; shard < of; ++shard) {
      std::vector<Reply> own;
      for (const Reply& reply : replies) {
        if (ShardOf(reply.probe.target, of) == shard) own.push_back(reply);
      }
      // Shards start one after the other.
      shards.push_back(
          Build(own,
                {.start_s = 1'800'000'000 - static_cast<int>(shard == 2),
                 .shard = shard + 1,
                 .of = of},
                10 + shard));
    }
    uint64_t probed = 0;
    for (uint32_t shard = 0; shard < of; ++shard) probed += 10 + shard;
    const std::string whole =
        Build(replies, {.start_s = 1'800'000'000}, probed);
    const std::string merged = Merge(shards);
    if (of < 3) {
      EXPECT_TRUE(SameBytes(merged, whole));
      continue;
    }
    // All the same but for the shard that started earlier.
    Json manifest = ManifestIn(whole);
    manifest["start"] = ManifestIn(shards[2])["start"];
    EXPECT_EQ(ManifestIn(merged).dump(2), manifest.dump(2));
    Contents a = *ReadDataset(merged), b = *ReadDataset(whole);
    EXPECT_TRUE(a.replies == b.replies);
    EXPECT_EQ(a.links, b.links);
  }
}

// A scan of the lab, of which `of` parts are dealt out as a cluster would.
class LabShards : public MergeTest {
 protected:
  static TargetSet Targets(Family family) {
    std::vector<uint32_t> v4;
    std::vector<IpAddress> v6;
    for (uint32_t i = 0; i < 700; ++i) {
      v4.push_back(0x04000000 + i * 256 + 1 + i % 223);
      v6.push_back(lab::ToIpv6(v4.back()));
    }
    return family == Family::kIpv4 ? TargetSet(std::move(v4))
                                   : TargetSet(std::move(v6));
  }

  std::string Scan(const TargetSet& targets, size_t shard, size_t of,
                   ScanOptions options) {
    lab::Scenario scenario = *lab::ReadScenario(FATHOM_SCENARIOS "/clean.lab");
    scenario.space = {*Prefix::Parse("4.0.0.0/8")};
    scenario.seed = 11;
    const auto backend =
        OpenSimulated(scenario, {.toward = targets[0]}, nullptr);
    EXPECT_TRUE(backend.ok()) << backend.status();
    options.dataset = New();
    options.pps = 20'000;
    options.seed = 7;
    options.cooldown = seconds(20);
    // As tools/scan.cc writes it.
    options.configuration = Json({{"seed", 7},
                                  {"strategy", options.strategy},
                                  {"shard", {{"index", shard}, {"count", of}}}})
                                .dump();
    const auto result =
        RunScan(**backend, Deal(targets, shard, of), PrefixSet(), options, {});
    EXPECT_TRUE(result.ok()) << result.status();
    return options.dataset;
  }

  static auto Timeless(const std::string& path) {
    Contents contents = *ReadDataset(path);
    std::vector<std::string> rows;
    for (Reply& reply : contents.replies) {
      reply.received = {};
      reply.rtt = {};
      rows.push_back(absl::StrCat(
          reply.probe.target.ToString(), " ", reply.probe.flow.value(), " ",
          reply.probe.ttl.value(), " ", reply.responder.ToString(), " ",
          static_cast<int>(reply.kind), " ", reply.arrival_ttl.value(), " ",
          TextOf(reply.extensions)));
    }
    for (const Link& link : contents.links) {
      rows.push_back(absl::StrCat(link.near.ToString(), " ",
                                  link.far.ToString(), " ", link.gap, " ",
                                  link.min_ttl.value(), " ", link.paths, " ",
                                  link.target.ToString(), " ", link.flags));
    }
    return rows;
  }

  static Json TimelessManifest(const std::string& path) {
    Json manifest = ManifestIn(path);
    for (const char* key : {"start", "sending_end", "stop"}) {
      manifest.erase(key);
    }
    // How long each of the lab's clocks ran.
    manifest.erase("backend");
    return manifest;
  }
};

TEST_F(LabShards, OfASweepMakeTheWholeScan) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const TargetSet targets = Targets(family);
    for (const uint8_t probes : {1, 2}) {
      SCOPED_TRACE(absl::StrCat(probes, " probes"));
      ScanOptions options;
      options.probes = probes;
      std::vector<std::string> shards;
      for (size_t shard = 0; shard < 4; ++shard) {
        shards.push_back(Scan(targets, shard, 4, options));
      }
      const std::string whole = Scan(targets, 0, 1, options);
      const std::string merged = Merge(shards);
      EXPECT_GT(ReadDataset(whole)->links.size(), 100U);
      EXPECT_TRUE(Timeless(merged) == Timeless(whole));
      // Whether two replies answer one probe is told by time.
      if (probes > 1) continue;
      EXPECT_EQ(TimelessManifest(merged).dump(1),
                TimelessManifest(whole).dump(1));
    }
  }
}

using LinkKey = std::tuple<bool, IpAddress, IpAddress, uint8_t>;

LinkKey KeyOf(const Link& link) {
  return {link.gap != 0, link.near, link.far, link.gap};
}

// Rounds and vantage points merge in any order and by any steps.
TEST_F(MergeTest, CommutesAndAssociates) {
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    const Family family = round % 3 == 0 ? Family::kIpv6 : Family::kIpv4;
    std::vector<std::string> inputs;
    const size_t count = 2 + Below(random_, 6);
    std::map<std::string, uint32_t> shards;  // So far.
    for (size_t i = 0; i < count; ++i) {
      Naming naming{.vantage = Below(random_, 2) == 0 ? "ams" : "nyc",
                    .seed = Below(random_, 2)};
      naming.start_s += static_cast<int>(Below(random_, 3));
      if (Below(random_, 3) > 0 && shards[naming.vantage] < 3) {
        naming.shard = ++shards[naming.vantage];
        naming.of = 3;
        naming.seed = 7;
      }
      inputs.push_back(Random1(naming, family));
    }
    const std::string at_once = Merge(inputs, true);
    EXPECT_TRUE(SameBytes(at_once, Merge(inputs, true)));
    EXPECT_TRUE(SameBytes(at_once, Merge(inputs, true, 2)));
    // Any tree of merges.
    std::vector<std::string> left = inputs;
    while (left.size() > 1) {
      std::shuffle(left.begin(), left.end(), random_);
      const std::string merged =
          Merge({left[left.size() - 1], left[left.size() - 2]}, true);
      left.resize(left.size() - 2);
      left.push_back(merged);
    }
    EXPECT_TRUE(SameBytes(at_once, left[0]));
    EXPECT_TRUE(SameBytes(at_once, Merge({at_once}, true)));
  }
}

// Against the plainest way to do it: all rows of all inputs, in maps.
TEST_F(MergeTest, KeepsWhatEachScanSaw) {
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    std::vector<std::string> inputs;
    for (size_t i = 0; i < 4; ++i) {
      inputs.push_back(
          Random1({.vantage = i < 2 ? "b" : "a",
                   .start_s = 1'800'000'000 + static_cast<int>(10 - i)}));
    }
    const std::string merged = Merge(inputs);
    // By vantage point, then by start.
    const std::vector<std::string> numbered = {inputs[3], inputs[2], inputs[1],
                                               inputs[0]};
    std::map<LinkKey, Link> all;
    std::map<std::pair<LinkKey, size_t>, Link> by_scan;
    std::map<size_t, std::vector<Reply>> hops;
    for (size_t scan = 0; scan < numbered.size(); ++scan) {
      Contents contents = *ReadDataset(numbered[scan]);
      hops[scan] = contents.replies;
      for (Link link : contents.links) {
        const auto [at, is_new] = all.try_emplace(KeyOf(link), link);
        if (!is_new) MergeInto(at->second, link);
        link.scan = static_cast<uint16_t>(scan);
        by_scan[{KeyOf(link), scan}] = link;
      }
    }
    const auto reader = *OpenDataset(merged);
    ASSERT_TRUE(reader->several_scans());
    std::map<size_t, std::vector<Reply>> got;
    for (;;) {
      const auto replies = *reader->NextReplies();
      if (replies.empty()) break;
      ASSERT_EQ(replies.size(), reader->reply_scans().size());
      for (size_t i = 0; i < replies.size(); ++i) {
        got[reader->reply_scans()[i]].push_back(Keep(replies[i]));
      }
    }
    std::erase_if(hops, [](const auto& entry) { return entry.second.empty(); });
    EXPECT_TRUE(got == hops);
    auto expected = by_scan.begin();
    for (;;) {
      const auto links = *reader->NextScanLinks();
      if (links.empty()) break;
      for (const Link& link : links) {
        ASSERT_NE(expected, by_scan.end());
        EXPECT_EQ(link, expected->second);
        ++expected;
      }
    }
    EXPECT_EQ(expected, by_scan.end());
    std::vector<Link> sums;
    for (const auto& [key, link] : all) sums.push_back(link);
    EXPECT_EQ(ReadDataset(merged)->links, sums);
  }
}

TEST_F(MergeTest, ConservesCounts) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 5; ++i) {
    inputs.push_back(Random1({.vantage = i < 3 ? "x" : "y",
                              .seed = static_cast<uint64_t>(i),
                              .start_s = 1'800'000'000 + i}));
  }
  const Json manifest = ManifestIn(Merge(inputs));
  for (const char* path :
       {"/probes/sent", "/probes/answered", "/probes/unanswered",
        "/replies/valid", "/replies/duplicate", "/links/paths",
        "/links/observations", "/holes/answered", "/holes/probably_lost"}) {
    uint64_t sum = 0;
    for (const std::string& input : inputs) {
      sum += ManifestIn(input).at(Json::json_pointer(path)).get<uint64_t>();
    }
    EXPECT_EQ(manifest.at(Json::json_pointer(path)), sum) << path;
  }
  const Json& probes = manifest["probes"];
  EXPECT_EQ(probes["sent"].get<uint64_t>(),
            probes["answered"].get<uint64_t>() +
                probes["unanswered"].get<uint64_t>());
  EXPECT_EQ(manifest["start"], ManifestIn(inputs[0])["start"]);
  EXPECT_EQ(manifest["stop"], ManifestIn(inputs[4])["stop"]);
  EXPECT_EQ(manifest["vantages"].dump(),
            R"([{"name":"x","scans":[0,1,2]},{"name":"y","scans":[3,4]}])");
  EXPECT_EQ(manifest["scans"].size(), 5U);
  EXPECT_EQ(manifest["scans"][4], ManifestIn(inputs[4]));
  // Only what is the same in all.
  EXPECT_FALSE(manifest["configuration"].contains("seed"));
  EXPECT_TRUE(manifest["configuration"].contains("pps"));
}

TEST_F(MergeTest, RefusesWhatIsNoWholeScan) {
  const auto shard = [this](uint32_t number, uint64_t seed = 7,
                            const std::string& vantage = "") {
    return Random1({.vantage = vantage,
                    .seed = seed,
                    .start_s = 1'800'000'000 + made_,
                    .shard = number,
                    .of = 3});
  };
  const std::string one = shard(1), two = shard(2), three = shard(3);
  const std::string other = shard(2, 8), again = shard(2);
  Refuses({one, three}, {"of the 3 shards", "1 is missing: 2", "--partial"});
  Refuses({one, other, three}, {"not of one scan", "seed: 7 and 8"});
  Refuses({one, other, three}, {"seed: 7 and 8"}, /*partial=*/true);
  Refuses({one, two, again, three}, {two, again, "both hold shard 2/3"}, true);
  Refuses({one, two, three, one}, {"the same scan"}, /*partial=*/true);
  const std::string partial = Merge({one, three}, /*partial=*/true);
  EXPECT_EQ(ManifestIn(partial)["shard"].dump(), R"({"numbers":[1,3],"of":3})");
  Refuses({partial}, {"1 is missing: 2"});
  const std::string whole = Merge({one, two, three});
  EXPECT_TRUE(SameBytes(Merge({partial, two}), whole));
  Refuses({whole, again}, {again, "would count twice"}, /*partial=*/true);
  // Dealt to two vantage points, they are whole, and still told apart.
  const std::string far = shard(2, 7, "far");
  const Json dealt = ManifestIn(Merge({one, far, three}));
  EXPECT_EQ(dealt["scans"].size(), 2U);
}

TEST_F(MergeTest, RefusesTheSameScanTwice) {
  const std::string a = Random1({.seed = 1}), b = Random1({.seed = 2});
  Refuses({a, b, a}, {"the same scan"});
  Refuses({Merge({a, b}), b}, {b, "the same scan"});
}

TEST_F(MergeTest, RefusesTwoFamilies) {
  const std::string a = Random1({.seed = 1});
  const std::string b = Random1({.seed = 2}, Family::kIpv6);
  Refuses({a, b}, {a, b, "IPv4", "IPv6"});
}

TEST_F(MergeTest, RefusesToWriteOverAnything) {
  const std::string a = Random1({.seed = 1}), b = Random1({.seed = 2});
  const auto summary = MergeDatasets({.inputs = {a, b}, .output = a});
  EXPECT_TRUE(absl::IsAlreadyExists(summary.status())) << summary.status();
}

// A dataset without rows fits all others.
TEST_F(MergeTest, TakesEmptyScans) {
  const std::string nothing = Build({}, {.seed = 1});
  const std::string six = Random1({.seed = 2}, Family::kIpv6);
  EXPECT_EQ(ReadDataset(Merge({nothing, six}))->replies,
            ReadDataset(six)->replies);
}

TEST_F(MergeTest, NamesTheFileThatIsDamagedAndLeavesNothing) {
  for (const char* file : {"links.parquet", "gaps.parquet", "hops.parquet"}) {
    const std::string good = Random1({.seed = 1});
    const std::string bad =
        Build(MadeUpReplies(random_, Family::kIpv4, 50), {.seed = 2});
    const std::string path = absl::StrCat(bad, "/", file);
    std::string bytes = ReadFile(path);
    // In the first page of values.
    for (size_t at = 60; at < 90; ++at)
      bytes[at] = static_cast<char>(~bytes[at]);
    WriteFile(path, bytes);
    Refuses({good, bad}, {path});
  }
}

TEST_F(MergeTest, LeavesNothingWhenInterrupted) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 3; ++i) {
    inputs.push_back(Build(MadeUpReplies(random_, Family::kIpv4, 9000),
                           {.seed = static_cast<uint64_t>(i)}));
  }
  for (const size_t most_open : {2, 16}) {
    const auto before = FilesIn(directory_.path());
    int calls = 0;
    const auto summary = MergeDatasets(
        {.inputs = inputs,
         .output = directory_.File("interrupted"),
         .most_open = most_open,
         .on_progress = [&](uint64_t) {
           return ++calls < 2 ? absl::OkStatus() : absl::CancelledError("no");
         }});
    EXPECT_TRUE(absl::IsCancelled(summary.status())) << summary.status();
    EXPECT_EQ(FilesIn(directory_.path()), before);
  }
}

}  // namespace
}  // namespace fathom
