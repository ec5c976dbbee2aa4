// The second look over whole scans in virtual time, against what the lab knows
// to be true.

#include "src/engine/passes.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/engine/ask_again.h"
#include "src/engine/finish.h"
#include "src/engine/manifest.h"
#include "src/lab/network.h"
#include "src/lab/probe_packet.h"
#include "src/lab/truth.h"
#include "src/schedule/targets.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using Json = nlohmann::json;
using Edge = std::pair<uint32_t, uint32_t>;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Writes down what became of every probe.
class Witness final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    ++probes;
    answered += lab::IsAnswered(seen.fate) ? 1 : 0;
    keys.emplace(probe->ip.destination, probe->keys);
    auto& cell = cells[{probe->ip.destination, probe->ip.ttl}];
    cell.heard |= lab::IsAnswered(seen.fate);
    if (lab::IsAnswered(seen.fate)) cell.responder = seen.responder;
    cell.lost |= seen.fate == lab::Fate::kRateLimited ||
                 seen.fate == lab::Fate::kLostReturn;
    last = std::max(last, seen.sent);
  }

  struct Cell {
    bool heard = false;
    bool lost = false;  // An answer was made, or would have been.
    uint32_t responder = 0;
  };

  uint64_t probes = 0;
  uint64_t answered = 0;
  Instant last{};
  std::map<std::pair<uint32_t, uint8_t>, Cell> cells;
  std::map<uint32_t, lab::FlowKeys> keys;
};

TargetSet Targets(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i) {
    addresses.push_back(0x04000000 + i * 256 + 1 + i % 223);
  }
  return TargetSet(std::move(addresses));
}

lab::Scenario InTheTree(const std::string& name) {
  lab::Scenario scenario =
      *lab::ReadScenario(FATHOM_SCENARIOS "/" + name + ".lab");
  scenario.space = {*Prefix::Parse("4.0.0.0/8")};
  scenario.seed = 11;
  return scenario;
}

struct Found {
  ScanResult result{};
  Json manifest{};
  std::set<Edge> links{};
  std::set<Edge> trusted{};  // Without a doubt.
  std::set<Edge> truth{};    // For any flow.
};

size_t CountIn(const std::set<Edge>& edges, const std::set<Edge>& truth) {
  return static_cast<size_t>(std::count_if(
      edges.begin(), edges.end(),
      [&truth](const Edge& edge) { return truth.contains(edge); }));
}

class PassesTest : public testing::Test {
 protected:
  Found Scan(const lab::Scenario& scenario, const TargetSet& targets,
             ScanOptions options, const ScanControl& control = {}) {
    witness_ = Witness();
    options.dataset = directory_.Path("scan" + std::to_string(++scans_));
    options.seed = 7;
    const auto backend = OpenSimulated(scenario, {}, &witness_);
    EXPECT_TRUE(backend.ok()) << backend.status();
    auto result = RunScan(**backend, targets, PrefixSet(), options, control);
    EXPECT_TRUE(result.ok()) << result.status();
    Found found{.result = *std::move(result)};
    if (found.result.end != ScanEnd::kDone) TakeAsItIs(options, found.result);
    found.manifest = Json::parse(found.result.manifest);
    ReadLinks(options.dataset, found);
    std::vector<uint32_t> addresses;
    for (size_t i = 0; i < targets.size(); ++i) {
      addresses.push_back(targets[i].v4());
    }
    const auto keys = [this](uint32_t t) { return witness_.keys[t]; };
    for (const lab::TrueLink& link :
         lab::Truth(scenario).Links(addresses, keys, lab::Sight::kEverything)) {
      found.truth.emplace(link.near, link.far);
    }
    CheckCounts(found);
    return found;
  }

  // Makes the dataset of a scan that ended early.
  static void TakeAsItIs(const ScanOptions& options, ScanResult& result) {
    const auto record = RecoverDataset(options.dataset);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(record->end, result.end);
    result.links = record->links;
    result.manifest = MakeManifest(*record);
  }

  // What holds for every scan, whatever its passes.
  void CheckCounts(const Found& found) {
    const Json& probes = found.manifest["probes"];
    EXPECT_EQ(probes["sent"], witness_.probes);
    EXPECT_EQ(probes["sent"].get<uint64_t>(),
              probes["answered"].get<uint64_t>() +
                  probes["unanswered"].get<uint64_t>());
    // A reply may come too late, and two whose times are spoilt look like one.
    EXPECT_LE(probes["answered"], witness_.answered);
    EXPECT_GE(probes["answered"].get<uint64_t>(), witness_.answered * 98 / 100);
    const LinkStats& stats = found.result.links;
    EXPECT_EQ(stats.replies, stats.cells + stats.repeats + stats.duplicates);
    uint64_t again = 0;
    for (const Json& pass : found.manifest["second_look"]) {
      again += pass["sent"].get<uint64_t>();
      if (found.result.end == ScanEnd::kDone) {
        EXPECT_EQ(pass["sent"], pass["planned"]);
      }
    }
    EXPECT_LE(again, witness_.probes);
    if (found.result.end == ScanEnd::kDone) {
      EXPECT_EQ(probes["sent"], probes["planned"]);
    }
  }

  // The cells without an answer between two with one whose answer was lost, as
  // far as the path of a target goes without coming back on itself.
  uint64_t LostInHoles() const {
    uint64_t lost = 0, since = 0;
    uint32_t target = 0;
    std::set<uint32_t> seen;
    bool over = false;
    for (const auto& [cell, fate] : witness_.cells) {
      if (cell.first != target) {
        target = cell.first;
        seen.clear();
        over = false;
      }
      if (fate.heard) {
        if (!over && !seen.empty()) lost += since;
        over |= !seen.insert(fate.responder).second || fate.responder == target;
        since = 0;
      } else {
        since += fate.lost ? 1 : 0;
      }
    }
    return lost;
  }

  static void ReadLinks(const std::string& path, Found& found) {
    const auto reader = OpenDataset(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    while (true) {
      const auto links = (*reader)->NextLinks();
      ASSERT_TRUE(links.ok()) << links.status();
      if (links->empty()) break;
      for (const Link& link : *links) {
        if (link.gap != 0) continue;
        const Edge edge(link.near.v4(), link.far.v4());
        found.links.insert(edge);
        if ((link.flags & kLinkDoubts) == 0) found.trusted.insert(edge);
      }
    }
  }

  TemporaryDirectory directory_;
  Witness witness_;
  int scans_ = 0;
};

constexpr uint64_t kRate = 50'000;

TEST_F(PassesTest, RepairFindsWhatWasLostAndNothingFalse) {
  lab::Scenario scenario = InTheTree("rate-limited");
  scenario.loss = 0.03;
  scenario.per_packet = 0;
  scenario.route_changes = 0;
  const TargetSet targets = Targets(8'192);
  const Found plain = Scan(scenario, targets, {.pps = kRate});
  const Found once = Scan(scenario, targets, {.pps = kRate, .repair = 1});
  const Found twice = Scan(scenario, targets, {.pps = kRate, .repair = 2});
  // The first pass is the same, so all of its links are there still.
  // One may come to light as part of a loop.
  EXPECT_GE(CountIn(plain.links, once.links), plain.links.size() * 999 / 1000);
  EXPECT_GT(once.links.size(), plain.links.size() * 102 / 100);
  EXPECT_GT(twice.links.size(), once.links.size());
  for (const Found* found : {&plain, &once, &twice}) {
    EXPECT_EQ(CountIn(found->links, found->truth), found->links.size());
  }
  const auto lost = [](const Found& found) {
    return found.manifest["holes"]["probably_lost"].get<uint64_t>();
  };
  EXPECT_LT(lost(once), lost(plain));
  EXPECT_LT(lost(twice), lost(once));
  // That for a small part of the probes.
  const auto sent = [](const Found& found) {
    return found.manifest["probes"]["sent"].get<uint64_t>();
  };
  EXPECT_LT(sent(once), sent(plain) * 105 / 100);
}

TEST_F(PassesTest, WhereNothingIsMissingNothingIsRepaired) {
  const Found found =
      Scan(InTheTree("clean"), Targets(2'048), {.pps = kRate, .repair = 3});
  ASSERT_EQ(found.manifest["second_look"].size(), 3U);
  for (const Json& pass : found.manifest["second_look"]) {
    EXPECT_EQ(pass["planned"], 0U);
  }
  EXPECT_EQ(found.manifest["holes"]["probably_lost"], 0U);
  EXPECT_EQ(found.manifest["holes"]["probably_silent"], 0U);
}

TEST_F(PassesTest, WhereNothingIsFalseNearlyAllIsVerified) {
  lab::Scenario scenario = InTheTree("clean");
  scenario.tunnels = 0;  // They cast doubts of their own.
  const Found found =
      Scan(scenario, Targets(2'048), {.pps = kRate, .verify = 1});
  EXPECT_EQ(CountIn(found.links, found.truth), found.links.size());
  EXPECT_EQ(found.trusted, found.links);
}

TEST_F(PassesTest, VerifiedLinksAreRightAmidAllThatInventsLinks) {
  const lab::Scenario scenario = InTheTree("hostile");
  const TargetSet targets = Targets(16'384);
  const auto wrong = [](const Found& found) {
    return found.trusted.size() - CountIn(found.trusted, found.truth);
  };
  const Found plain = Scan(scenario, targets, {.pps = 12'500});
  const Found cheap = Scan(scenario, targets, {.pps = 12'500, .verify = 1});
  const Found sure = Scan(scenario, targets, {.pps = 12'500, .verify = 2});
  EXPECT_GT(wrong(plain) * 100, plain.trusted.size());
  EXPECT_LT(wrong(cheap) * 700, cheap.trusted.size());
  EXPECT_LT(wrong(sure) * 1000, sure.trusted.size());
  EXPECT_GT(sure.trusted.size(), plain.trusted.size() * 8 / 10);
  // Without --verify no link carries its mark.
  EXPECT_GT(plain.trusted.size(), plain.links.size() * 9 / 10);
}

TEST_F(PassesTest, TellsAboutHowMuchWasLost) {
  for (const char* name : {"wire", "rate-limited"}) {
    const Found found = Scan(InTheTree(name), Targets(16'384), {.pps = kRate});
    const uint64_t lost = LostInHoles();
    const auto estimate =
        found.manifest["holes"]["probably_lost"].get<uint64_t>();
    std::printf("%s: %lu lost, %lu estimated\n", name, lost, estimate);
    EXPECT_GT(estimate, lost * 7 / 10) << name;
    EXPECT_LT(estimate, lost * 13 / 10) << name;
  }
}

TEST_F(PassesTest, EqualScansAreEqual) {
  const ScanOptions options = {.pps = kRate, .repair = 1, .verify = 1};
  const Found a = Scan(InTheTree("hostile"), Targets(1'024), options);
  const Found b = Scan(InTheTree("hostile"), Targets(1'024), options);
  EXPECT_EQ(a.result.manifest, b.result.manifest);
  EXPECT_EQ(a.links, b.links);
}

TEST_F(PassesTest, AnInterruptEndsWhicheverPassIsRunning) {
  const TargetSet targets = Targets(2'048);
  constexpr uint64_t kFirst = 2'048 * 32;
  for (const uint64_t at : {kFirst / 2, kFirst + 500}) {
    std::stop_source source;
    const Found found =
        Scan(InTheTree("hostile"), targets,
             {.pps = 10'000, .repair = 1, .verify = 2},
             {.stop = source.get_token(),
              .progress = [&source, at](const ScanProgress& progress) {
                if (progress.sent >= at) source.request_stop();
              }});
    EXPECT_EQ(found.result.end, ScanEnd::kInterrupted);
    EXPECT_EQ(found.manifest["second_look"].size(), at < kFirst ? 0U : 1U);
    EXPECT_GT(found.links.size(), 100U);
    // Nothing was cut from the cooldown.
    EXPECT_GE(found.result.stop - found.result.sending_end, seconds(10));
  }
}

TEST_F(PassesTest, TheTimeLimitIsForAllPasses) {
  constexpr uint64_t kRateHere = 10'000;
  const Found found =
      Scan(InTheTree("hostile"), Targets(2'048),
           {.pps = kRateHere, .verify = 8, .max_runtime = seconds(10)});
  EXPECT_EQ(found.result.end, ScanEnd::kTimeLimit);
  EXPECT_EQ(found.manifest["second_look"].size(), 1U);
  EXPECT_LT(found.manifest["second_look"][0]["sent"],
            found.manifest["second_look"][0]["planned"]);
  EXPECT_LE(found.result.sending_end - found.result.start,
            seconds(10) + milliseconds(200));
}

TEST_F(PassesTest, HearsOutTheCooldownOnlyOnce) {
  const Found plain = Scan(InTheTree("wire"), Targets(1'024),
                           {.pps = kRate, .cooldown = seconds(30)});
  const Found found =
      Scan(InTheTree("wire"), Targets(1'024),
           {.pps = kRate, .repair = 2, .verify = 1, .cooldown = seconds(30)});
  EXPECT_GE(found.result.stop - found.result.sending_end, seconds(30));
  EXPECT_LT(found.result.stop - found.result.start,
            plain.result.stop - plain.result.start + seconds(20));
}

TEST(Passes, DealQuestionsAsTargetsAreDealt) {
  Questions questions;
  for (uint32_t i = 0; i < 5'000; ++i) {
    questions.Add({IpAddress::V4(0x04000000 + i * 100), Ttl(1), FlowId(0)});
    questions.Add({IpAddress::V6(i * 100, i), Ttl(1), FlowId(0)});
  }
  for (const size_t lanes : {1, 2, 5}) {
    const auto strategies = AskInLanes(questions, 1, 3, lanes);
    ASSERT_EQ(strategies.size(), lanes);
    uint64_t planned = 0;
    for (size_t lane = 0; lane < lanes; ++lane) {
      planned += strategies[lane]->planned();
      std::vector<Probe> probes(questions.size());
      probes.resize(strategies[lane]->Next(Instant(), probes));
      for (const Probe& probe : probes) {
        EXPECT_EQ(LaneOf(probe.target, lanes), lane);
      }
    }
    EXPECT_EQ(planned, questions.size());
  }
}

TEST(AskAgain, AsksEachQuestionSoOftenAndSpacesThem) {
  for (const size_t count : {0, 1, 7, 64, 1000}) {
    Questions questions;
    for (uint32_t i = 0; i < count; ++i) {
      const IpAddress target =
          i / 3 % 2 == 0 ? IpAddress::V4(i / 3) : IpAddress::V6(7, i / 3);
      questions.Add({target, Ttl(static_cast<uint8_t>(1 + i % 3)), FlowId(0)});
    }
    AskAgain strategy(questions, 3, 9);
    EXPECT_EQ(strategy.planned(), 3 * count);
    EXPECT_FALSE(strategy.observes());
    std::map<std::pair<IpAddress, uint8_t>, std::vector<Instant>> asked;
    std::vector<Probe> batch(100);
    Instant now;
    uint64_t made = 0;
    for (int steps = 0; !strategy.done(); ++steps) {
      ASSERT_LT(steps, 10'000);
      const size_t size = strategy.Next(now, batch);
      made += size;
      for (size_t i = 0; i < size; ++i) {
        asked[{batch[i].target, batch[i].ttl.value()}].push_back(now);
      }
      now += milliseconds(10);
    }
    EXPECT_EQ(made, strategy.planned());
    EXPECT_EQ(asked.size(), count);
    for (const auto& [cell, times] : asked) {
      ASSERT_EQ(times.size(), 3U);
      EXPECT_GE(times[1] - times[0], AskAgain::kSpacing - milliseconds(100));
      EXPECT_GE(times[2] - times[1], AskAgain::kSpacing - milliseconds(100));
    }
  }
}

}  // namespace
}  // namespace fathom
