// Scans that end at any moment, and go on.

#include "src/engine/resume.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/engine/finish.h"
#include "src/engine/scan.h"
#include "src/lab/probe_packet.h"
#include "tests/mirror_backend.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What a hop is but for times.
using Row = std::tuple<IpAddress, uint16_t, uint8_t, IpAddress>;

TargetSet Targets(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i) {
    addresses.push_back(0x04000000 + i * 256 + 1 + i % 223);
  }
  return TargetSet(std::move(addresses));
}

// Whatever a probe is answered, it is so whenever it is sent.
lab::Scenario Steady() {
  lab::Scenario scenario = *lab::ReadScenario(FATHOM_SCENARIOS "/clean.lab");
  scenario.space = {*Prefix::Parse("4.0.0.0/8")};
  return scenario;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Which addresses were probed.
class Witness final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    ++targets[probe->ip.destination];
  }
  std::map<uint32_t, int> targets;
};

class ResumeTest : public testing::Test {
 protected:
  struct Found {
    ScanResult result;
    Json manifest;
    std::vector<Row> rows;
  };

  // A scan of the lab that begins at `start`.
  absl::StatusOr<ScanResult> Scan(const TargetSet& targets,
                                  const ScanOptions& options,
                                  const ScanControl& control = {},
                                  Instant start = {},
                                  const PrefixSet& forbidden = {}) {
    const auto backend =
        OpenSimulated(Steady(), {.not_before = start}, &witness_);
    return RunScan(**backend, targets, forbidden, options, control);
  }

  std::vector<Row> RowsOf(const std::string& path) {
    std::vector<Row> rows;
    const auto reader = OpenDataset(path);
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) return rows;
    while (true) {
      const auto replies = (*reader)->NextReplies();
      EXPECT_TRUE(replies.ok()) << replies.status();
      if (!replies.ok() || replies->empty()) break;
      for (const Reply& r : *replies) {
        rows.emplace_back(r.probe.target, r.probe.flow.value(),
                          r.probe.ttl.value(), r.responder);
      }
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  Found Read(const std::string& path, const ScanResult& result) {
    return {result, Json::parse(result.manifest), RowsOf(path)};
  }

  // A whole scan; keeps its spool as it was when it had sent so many probes.
  Found Whole(const TargetSet& targets, ScanOptions options, uint64_t sent) {
    options.dataset = directory_.Path("whole");
    const auto result =
        Scan(targets, options, {.progress = [&](const ScanProgress& progress) {
               if (progress.sent < sent || !spool_.empty()) return;
               spool_ = ReadFile(SpoolPath(options.dataset));
             }});
    EXPECT_TRUE(result.ok()) << result.status();
    return Read(options.dataset, *result);
  }

  // Leaves what a kill would have left of the spool.
  void Leave(const std::string& dataset, std::string_view spool) {
    std::filesystem::create_directory(PartialPath(dataset));
    std::ofstream(SpoolPath(dataset), std::ios::binary) << spool;
  }

  void ExpectSame(const Found& found, const Found& whole) {
    EXPECT_EQ(found.result.end, ScanEnd::kDone);
    EXPECT_TRUE(found.rows == whole.rows)
        << found.rows.size() << " of " << whole.rows.size();
    for (const char* key : {"probes", "links", "holes", "second_look"}) {
      EXPECT_EQ(found.manifest[key], whole.manifest[key]) << key;
    }
  }

  // Cuts the spool at places all over it, and goes on from each, some twice.
  void GoOnFromEverywhere(const TargetSet& targets, ScanOptions options,
                          const Found& whole, int times) {
    std::mt19937_64 random(times);
    // Behind its head, which is there before a scan sends anything.
    const size_t head = spool_.find("FPL");
    ASSERT_NE(head, spool_.npos);
    options.resume = true;
    for (int i = 0; i < times; ++i) {
      const size_t length = head + random() % (spool_.size() - head);
      SCOPED_TRACE(testing::Message() << "spool of " << length << " bytes");
      options.dataset = directory_.Path(absl::StrCat("cut", i));
      Leave(options.dataset, std::string_view(spool_).substr(0, length));
      const bool twice = i % 2 == 0;
      if (twice) KillAgain(targets, options, random());
      const auto before = ReadPartial(options.dataset);
      ASSERT_TRUE(before.ok()) << before.status();
      const auto result = Scan(targets, options, {}, before->stop + seconds(1));
      ASSERT_TRUE(result.ok()) << result.status();
      const Found found = Read(options.dataset, *result);
      ExpectSame(found, whole);
      EXPECT_EQ(found.manifest["resumed"].size(), twice ? 2U : 1U);
      std::filesystem::remove_all(options.dataset);
    }
  }

  // Goes on for a while, and leaves what a kill would.
  void KillAgain(const TargetSet& targets, const ScanOptions& options,
                 uint64_t chance) {
    const auto before = ReadPartial(options.dataset);
    ASSERT_TRUE(before.ok()) << before.status();
    std::vector<std::string> spools;
    const auto result =
        Scan(targets, options,
             {.progress =
                  [&](const ScanProgress&) {
                    spools.push_back(ReadFile(SpoolPath(options.dataset)));
                  }},
             before->stop + seconds(1));
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_FALSE(spools.empty());
    std::filesystem::remove_all(options.dataset);
    Leave(options.dataset, spools[chance % spools.size()]);
  }

  TemporaryDirectory directory_;
  Witness witness_;
  std::string spool_;
};

constexpr uint64_t kRate = 4'000;  // So that a scan takes many turns.

TEST_F(ResumeTest, ASweepCutAnywhereEndsAsIfItHadNotBeen) {
  const TargetSet targets = Targets(1'000);
  const ScanOptions options = {.pps = kRate, .seed = 7};
  const Found whole = Whole(targets, options, 31'000);
  GoOnFromEverywhere(targets, options, whole, 24);
}

TEST_F(ResumeTest, ASecondLookCutAnywhereEndsAsIfItHadNotBeen) {
  const TargetSet targets = Targets(500);
  const ScanOptions options = {
      .pps = kRate, .repair = 1, .verify = 2, .seed = 7};
  // The first pass is of 16,000 probes; a part of the last is asked in vain.
  const Found whole = Whole(targets, options, 19'000);
  ASSERT_GT(whole.result.counts.sent, 19'000U);
  GoOnFromEverywhere(targets, options, whole, 24);
}

// What they ask depends on when answers come, so they find nearly the same.
TEST_F(ResumeTest, AdaptiveStrategiesLoseNoTarget) {
  const TargetSet targets = Targets(600);
  for (const char* strategy : {"back_forward", "multipath"}) {
    SCOPED_TRACE(strategy);
    ScanOptions options = {.strategy = strategy, .pps = 1'000, .seed = 7};
    spool_.clear();
    const Found whole = Whole(targets, options, 5'000);
    std::filesystem::remove_all(directory_.Path("whole"));
    std::mt19937_64 random(1);
    options.resume = true;
    for (int i = 0; i < 8; ++i) {
      const size_t head = spool_.find("FPL");
      const size_t length = head + random() % (spool_.size() - head);
      options.dataset = directory_.Path(absl::StrCat(strategy, i));
      Leave(options.dataset, std::string_view(spool_).substr(0, length));
      if (i % 2 == 0) KillAgain(targets, options, random());
      const auto before = ReadPartial(options.dataset);
      const auto result = Scan(targets, options, {}, before->stop + seconds(1));
      ASSERT_TRUE(result.ok()) << result.status();
      const Found found = Read(options.dataset, *result);
      for (size_t t = 0; t < targets.size(); ++t) {
        const auto of = [&](const std::vector<Row>& rows) {
          return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
            return std::get<0>(row) == targets[t];
          });
        };
        ASSERT_EQ(of(found.rows), of(whole.rows)) << targets[t].ToString();
      }
      const auto& probes = found.manifest["probes"];
      EXPECT_EQ(probes["sent"].get<uint64_t>(),
                probes["answered"].get<uint64_t>() +
                    probes["unanswered"].get<uint64_t>());
      EXPECT_EQ(probes["sent"], probes["planned"]);
      const auto links = found.manifest["links"]["links"].get<double>();
      const auto wanted = whole.manifest["links"]["links"].get<double>();
      EXPECT_NEAR(links, wanted, wanted * 0.02);
    }
  }
}

TEST_F(ResumeTest, AnInterruptedScanSendsNothingAgain) {
  const TargetSet targets = Targets(1'000);
  ScanOptions options = {
      .dataset = directory_.Path("scan"), .pps = kRate, .seed = 7};
  Instant start;
  int runs = 0;
  absl::StatusOr<ScanResult> result = ScanResult();
  do {
    std::stop_source source;
    uint64_t first = UINT64_MAX;
    result = Scan(targets, options,
                  {.stop = source.get_token(),
                   .progress =
                       [&](const ScanProgress& progress) {
                         first = std::min(first, progress.sent);
                         if (progress.sent > first + 6'000) {
                           source.request_stop();
                         }
                       }},
                  start);
    ASSERT_TRUE(result.ok()) << result.status();
    options.resume = true;
    start = result->stop + seconds(1);
    if (result->end != ScanEnd::kDone) {
      EXPECT_EQ(result->end, ScanEnd::kInterrupted);
      EXPECT_TRUE(result->manifest.empty());
      EXPECT_FALSE(std::filesystem::exists(options.dataset));
    }
  } while (++runs < 20 && result->end != ScanEnd::kDone);
  EXPECT_GT(runs, 3);
  for (const auto& [target, probes] : witness_.targets) {
    EXPECT_EQ(probes, 32);
  }
  const Json manifest = Json::parse(result->manifest);
  EXPECT_EQ(manifest["probes"]["sent"], 32'000);
  ASSERT_EQ(manifest["resumed"].size(), static_cast<size_t>(runs - 1));
  for (const Json& once : manifest["resumed"]) {
    EXPECT_EQ(once["sent_again"], 0);
  }
}

TEST_F(ResumeTest, WhatIsExcludedSinceIsNotProbed) {
  const TargetSet targets = Targets(1'000);
  for (const char* strategy : {"sweep", "back_forward", "multipath"}) {
    witness_.targets.clear();
    std::stop_source source;
    ScanOptions options = {.dataset = directory_.Path(strategy),
                           .strategy = strategy,
                           .pps = kRate,
                           .seed = 7};
    const std::vector<Prefix> old = {*Prefix::Parse("9.0.0.0/8")};
    const auto stopped = Scan(targets, options,
                              {.stop = source.get_token(),
                               .progress =
                                   [&](const ScanProgress& progress) {
                                     if (progress.sent > 2'000)
                                       source.request_stop();
                                   }},
                              {}, PrefixSet::FromPrefixes(old));
    ASSERT_TRUE(stopped.ok()) << stopped.status();
    witness_.targets.clear();
    options.resume = true;
    // Less is refused, more is honoured.
    EXPECT_FALSE(Scan(targets, options, {}, stopped->stop).ok());
    const std::vector<Prefix> grown = {*Prefix::Parse("8.0.0.0/7"),
                                       *Prefix::Parse("4.0.64.0/18")};
    const auto result = Scan(targets, options, {}, stopped->stop + seconds(1),
                             PrefixSet::FromPrefixes(grown));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->end, ScanEnd::kDone);
    EXPECT_GT(result->counts.withheld, 0U);
    EXPECT_GT(witness_.targets.size(), 100U);
    for (const auto& [target, probes] : witness_.targets) {
      EXPECT_FALSE(grown[1].Contains(IpAddress::V4(target)));
    }
  }
}

// Two lanes, with all their threads.
TEST_F(ResumeTest, LanesGoOnEachFromItsOwnPlace) {
  const TargetSet targets = Targets(1'500);
  for (const char* strategy : {"sweep", "back_forward"}) {
    SCOPED_TRACE(strategy);
    ScanOptions options = {.dataset = directory_.Path(strategy),
                           .strategy = strategy,
                           .pps = 6'000,
                           .max_ttl = Ttl(8),
                           .seed = 7,
                           .cooldown = milliseconds(300)};
    const auto scan = [&](const ScanControl& control) {
      MirrorBackend backend(SIZE_MAX, 2);
      return RunScan(backend, targets, {}, options, control);
    };
    std::string spool;
    const auto whole = scan({.progress = [&](const ScanProgress& progress) {
      if (progress.now - progress.start > milliseconds(1'600)) {
        if (spool.empty()) spool = ReadFile(SpoolPath(options.dataset));
      }
    }});
    ASSERT_TRUE(whole.ok()) << whole.status();
    const std::vector<Row> rows = RowsOf(options.dataset);
    ASSERT_FALSE(spool.empty());
    options.resume = true;
    options.pps = 100'000;
    for (int i = 0; i < 4; ++i) {
      options.dataset = directory_.Path(absl::StrCat(strategy, i));
      Leave(options.dataset,
            std::string_view(spool).substr(0, spool.size() - i * 997));
      const auto result = scan({});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->end, ScanEnd::kDone);
      EXPECT_EQ(result->counts.sent, result->counts.planned);
      ASSERT_EQ(result->resumed.size(), 1U);
      const std::vector<Row> found = RowsOf(options.dataset);
      if (std::string_view(strategy) == "sweep") {
        EXPECT_TRUE(found == rows) << found.size() << " of " << rows.size();
        EXPECT_LT(result->resumed[0].sent_again, 12'000U);
      }
      std::set<IpAddress> reached;
      for (const Row& row : found) reached.insert(std::get<0>(row));
      EXPECT_EQ(reached.size(), targets.size());
    }
  }
}

// Shards that run side by side hear each other's answers, as their probes have
// one key. The targets here are everybody's, so that there are such answers.
TEST_F(ResumeTest, AnswersToOtherShardsAreForeign) {
  const TargetSet targets = Targets(500);
  const Found whole = Whole(targets, {.pps = 50'000, .seed = 7}, UINT64_MAX);
  std::vector<Row> rows;
  for (uint64_t i = 0; i < 3; ++i) {
    ScanOptions options = {.dataset = directory_.Path(absl::StrCat("part", i)),
                           .pps = 50'000,
                           .seed = 7,
                           .shard = {.index = i, .count = 3}};
    const auto result = Scan(targets, options);
    ASSERT_TRUE(result.ok()) << result.status();
    const Found found = Read(options.dataset, *result);
    rows.insert(rows.end(), found.rows.begin(), found.rows.end());
    EXPECT_EQ(result->counts.verdicts[static_cast<size_t>(Verdict::kForeign)],
              whole.rows.size() - found.rows.size());
    EXPECT_EQ(found.manifest["shard"], Json({{"number", i + 1}, {"of", 3}}));
  }
  std::sort(rows.begin(), rows.end());
  EXPECT_TRUE(rows == whole.rows);
  EXPECT_FALSE(whole.manifest.contains("shard"));
}

TEST_F(ResumeTest, GoesOnOnlyWithWhatIsThere) {
  const TargetSet targets = Targets(10);
  ScanOptions options = {
      .dataset = directory_.Path("none"), .resume = true, .seed = 7};
  EXPECT_TRUE(absl::IsNotFound(Scan(targets, options).status()));
  Leave(options.dataset, "no spool");
  EXPECT_FALSE(Scan(targets, options).ok());
  std::filesystem::create_directory(options.dataset);
  EXPECT_TRUE(absl::IsAlreadyExists(Scan(targets, options).status()));
}

}  // namespace
}  // namespace fathom
