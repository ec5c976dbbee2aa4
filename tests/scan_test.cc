// Whole scans in virtual time, against what the lab knows to be true.

#include "src/engine/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "src/codec/headers.h"
#include "src/engine/finish.h"
#include "src/lab/ipv6.h"
#include "src/lab/network.h"
#include "src/lab/probe_packet.h"
#include "src/lab/truth.h"
#include "src/net/icmp_extensions.h"
#include "tests/sanitizers.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using Cell =
    std::tuple<uint32_t, uint8_t, uint32_t>;  // Target, TTL, responder.
using Edge = std::pair<uint32_t, uint32_t>;

// Writes down every answer as it leaves, and what balancers see of each target.
class Witness final : public lab::Observer {
 public:
  void Observe(const lab::Observation& seen) override {
    const bool ipv6 = (seen.probe[0] >> 4) == std::byte{6};
    const auto probe =
        ipv6 ? lab::ReadIpv6Probe(seen.probe) : lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    keys.emplace(probe->ip.destination, probe->keys);
    if (!lab::IsAnswered(seen.fate)) return;
    for (int copy = 0; copy < seen.copies; ++copy) {
      answered.emplace_back(probe->ip.destination, probe->ip.ttl,
                            seen.responder);
    }
  }

  std::vector<Cell> answered;
  std::map<uint32_t, lab::FlowKeys> keys;  // Of one flow a target.
};

// One address in each of `count` /24s from 4.0.0.0 on.
TargetSet Targets(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i) {
    addresses.push_back(0x04000000 + i * 256 + 1 + i % 223);
  }
  return TargetSet(std::move(addresses));
}

// The lab's name of an address of either family.
uint32_t NameOf(const IpAddress& address) {
  return address.family() == Family::kIpv4 ? address.v4()
                                           : lab::FromIpv6(address);
}

// The same over IPv6.
TargetSet Ipv6Targets(size_t count) {
  const TargetSet targets = Targets(count);
  std::vector<IpAddress> addresses;
  for (size_t i = 0; i < targets.size(); ++i) {
    addresses.push_back(lab::ToIpv6(targets[i].v4()));
  }
  return TargetSet(std::move(addresses));
}

// No reply comes later.
constexpr Nanos kLongest = std::chrono::seconds(20);

class ScanTest : public testing::Test {
 protected:
  ScanResult Scan(const lab::Scenario& scenario, const TargetSet& targets,
                  const std::string& name = "scan",
                  const std::string& protocol = "icmp") {
    const auto backend =
        OpenSimulated(scenario, {.toward = targets[0]}, &witness_);
    EXPECT_TRUE(backend.ok()) << backend.status();
    path_ = directory_.Path(name);
    auto result = RunScan(**backend, targets, PrefixSet(),
                          {.dataset = path_,
                           .protocol = protocol,
                           .pps = 50'000,
                           .seed = 7,
                           .cooldown = kLongest},
                          {});
    EXPECT_TRUE(result.ok()) << result.status();
    ReadBack();
    return *std::move(result);
  }

  void ReadBack() {
    const auto reader = OpenDataset(path_);
    ASSERT_TRUE(reader.ok()) << reader.status();
    hops_.clear();
    links_.clear();
    in_loops_.clear();
    while (true) {
      const auto replies = (*reader)->NextReplies();
      ASSERT_TRUE(replies.ok()) << replies.status();
      if (replies->empty()) break;
      for (const Reply& reply : *replies) {
        hops_.emplace_back(NameOf(reply.probe.target), reply.probe.ttl.value(),
                           NameOf(reply.responder));
        labelled_ += SpellMpls(reply.extensions.bytes).empty() ? 0 : 1;
      }
    }
    while (true) {
      const auto links = (*reader)->NextLinks();
      ASSERT_TRUE(links.ok()) << links.status();
      if (links->empty()) break;
      for (const Link& link : *links) {
        if (link.gap != 0) continue;
        const Edge edge(NameOf(link.near), NameOf(link.far));
        links_.insert(edge);
        if ((link.flags & kLinkInLoop) != 0) in_loops_.insert(edge);
      }
    }
  }

  // The true links to `targets`, but for the ways back in loops.
  std::set<Edge> Truth(const lab::Scenario& scenario, const TargetSet& targets,
                       lab::Sight sight) {
    return TruthWithout(lab::LinkKind::kLoopBack, scenario, targets, sight);
  }

  std::set<Edge> TruthWithout(std::optional<lab::LinkKind> kind,
                              const lab::Scenario& scenario,
                              const TargetSet& targets, lab::Sight sight) {
    std::vector<uint32_t> addresses;
    for (size_t i = 0; i < targets.size(); ++i) {
      addresses.push_back(NameOf(targets[i]));
    }
    std::set<Edge> edges;
    const auto keys = [this](uint32_t target) { return witness_.keys[target]; };
    for (const lab::TrueLink& link :
         lab::Truth(scenario).Links(addresses, keys, sight)) {
      if (link.kind != kind) {
        edges.emplace(link.near, link.far);
      }
    }
    return edges;
  }

  TemporaryDirectory directory_;
  std::string path_;
  Witness witness_;
  std::vector<Cell> hops_;
  int labelled_ = 0;  // Hops with MPLS labels.
  std::set<Edge> links_;
  std::set<Edge> in_loops_;  // Those that are flagged so.
};

// A scenario of the tree, moved to 4.0.0.0/8.
lab::Scenario InTheTree(const std::string& name) {
  lab::Scenario scenario =
      *lab::ReadScenario(FATHOM_SCENARIOS "/" + name + ".lab");
  scenario.space = {*Prefix::Parse("4.0.0.0/8")};
  scenario.seed = 11;
  return scenario;
}

lab::Scenario Internet() { return InTheTree("wire"); }

// Nothing hides, and balancers go by the flow.
lab::Scenario Clean() { return InTheTree("clean"); }

TEST_F(ScanTest, HearsExactlyWhatTheLabAnswered) {
  const TargetSet targets = Targets(Scaled(65'536));
  const ScanResult result = Scan(Internet(), targets);
  EXPECT_EQ(result.end, ScanEnd::kDone);
  EXPECT_EQ(result.counts.sent, Scaled(65'536) * 32);
  std::sort(witness_.answered.begin(), witness_.answered.end());
  std::sort(hops_.begin(), hops_.end());
  EXPECT_GT(hops_.size(), Scaled(100'000));
  EXPECT_TRUE(hops_ == witness_.answered);
}

// Every protocol over both families. What comes back rewritten is heard by
// none, and not every protocol knows a host by another address.
TEST_F(ScanTest, HearsTheSameByEveryProtocolAndFamily) {
  lab::Scenario scenario = InTheTree("clean");
  scenario.tunnels = 0.2;
  for (const CodecModule& protocol : Register<CodecModule>::All()) {
    for (const TargetSet& targets : {Targets(1024), Ipv6Targets(1024)}) {
      witness_ = {};
      labelled_ = 0;
      const std::string name = absl::StrCat(
          protocol.name, targets.family() == Family::kIpv4 ? "4" : "6");
      const ScanResult result = Scan(scenario, targets, name, protocol.name);
      EXPECT_EQ(result.counts.sent, 1024U * 32U) << name;
      std::sort(witness_.answered.begin(), witness_.answered.end());
      std::sort(hops_.begin(), hops_.end());
      EXPECT_GT(hops_.size(), 5'000U) << name;
      EXPECT_TRUE(hops_ == witness_.answered) << name;
      EXPECT_GT(labelled_, 100) << name;
      const std::set<Edge> truth =
          Truth(scenario, targets, lab::Sight::kAnyFlow);
      EXPECT_TRUE(std::includes(truth.begin(), truth.end(), links_.begin(),
                                links_.end()))
          << name;
    }
  }
}

TEST_F(ScanTest, EveryProbeHasOneFate) {
  const ScanResult result = Scan(Internet(), Targets(8192));
  uint64_t fates = 0, answered = 0;
  for (const auto& [name, count] : result.counts.backend.own) {
    if (name == "duplicates") answered += count;
    const auto* const fate =
        std::find(lab::kFateNames.begin(), lab::kFateNames.end(), name);
    if (fate == lab::kFateNames.end()) continue;
    fates += count;
    if (lab::IsAnswered(
            static_cast<lab::Fate>(fate - lab::kFateNames.begin()))) {
      answered += count;
    }
  }
  EXPECT_EQ(fates, result.counts.sent);
  EXPECT_EQ(answered, result.links.replies);
  EXPECT_EQ(result.counts.verdicts[static_cast<size_t>(Verdict::kReply)],
            result.links.replies);
}

TEST_F(ScanTest, AssertsNoFalseLinkBehindPerFlowBalancers) {
  const TargetSet targets = Targets(Scaled(65'536));
  Scan(Clean(), targets);
  const std::set<Edge> truth = Truth(Clean(), targets, lab::Sight::kAnyFlow);
  EXPECT_GT(links_.size(), Scaled(20'000));
  EXPECT_TRUE(
      std::includes(truth.begin(), truth.end(), links_.begin(), links_.end()));
}

TEST_F(ScanTest, FindsEveryLinkOfItsFlowWhereNothingHides) {
  const TargetSet targets = Targets(Scaled(16'384));
  Scan(Clean(), targets);
  const std::set<Edge> truth = Truth(Clean(), targets, lab::Sight::kOneFlow);
  std::vector<Edge> missed, invented;
  std::set_difference(truth.begin(), truth.end(), links_.begin(), links_.end(),
                      std::back_inserter(missed));
  std::set_difference(links_.begin(), links_.end(), truth.begin(), truth.end(),
                      std::back_inserter(invented));
  EXPECT_EQ(missed.size(), 0U);
  EXPECT_EQ(invented.size(), 0U);
}

TEST_F(ScanTest, AssertsNoFalseLinkAmidLossSilenceAndLimits) {
  const TargetSet targets = Targets(Scaled(65'536));
  lab::Scenario scenario = Internet();
  scenario.per_packet = 0;
  scenario.route_changes = 0;
  Scan(scenario, targets);
  const std::set<Edge> truth = Truth(scenario, targets, lab::Sight::kAnyFlow);
  // Where the way into a loop was not heard, its way back may be: a true link,
  // and flagged.
  const std::set<Edge> with_loops =
      TruthWithout(std::nullopt, scenario, targets, lab::Sight::kAnyFlow);
  std::vector<Edge> not_on_the_way;
  std::set_difference(links_.begin(), links_.end(), truth.begin(), truth.end(),
                      std::back_inserter(not_on_the_way));
  for (const Edge& edge : not_on_the_way) {
    EXPECT_TRUE(with_loops.contains(edge));
    EXPECT_TRUE(in_loops_.contains(edge));
  }
}

TEST_F(ScanTest, SavesWhatItHeardWhenInterrupted) {
  const TargetSet targets = Targets(1024);
  const auto backend = OpenSimulated(Internet(), {}, &witness_);
  std::stop_source source;
  path_ = directory_.Path("stopped");
  const auto result =
      RunScan(**backend, targets, PrefixSet(),
              {.dataset = path_, .pps = 10'000, .seed = 7},
              {.stop = source.get_token(),
               .progress = [&source](const ScanProgress& progress) {
                 if (progress.sent > 5'000) source.request_stop();
               }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->end, ScanEnd::kInterrupted);
  EXPECT_LT(result->counts.sent, 1024U * 32U);
  // It may go on; or be taken as it is.
  EXPECT_TRUE(result->manifest.empty());
  EXPECT_FALSE(std::filesystem::exists(path_));
  const auto recovered = RecoverDataset(path_);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->end, ScanEnd::kInterrupted);
  EXPECT_EQ(recovered->counts->sent, result->counts.sent);
  ReadBack();
  // The cooldown was heard out.
  EXPECT_EQ(hops_.size(), witness_.answered.size());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

TEST_F(ScanTest, RecoversTheCountsOfAScanWhoseDatasetFailed) {
  const auto backend = OpenSimulated(Internet(), {}, &witness_);
  path_ = directory_.Path("blocked");
  const std::string obstacle = path_;
  const auto blocked = RunScan(**backend, Targets(1024), PrefixSet(),
                               {.dataset = path_, .pps = 10'000, .seed = 7},
                               {.progress = [&obstacle](const ScanProgress&) {
                                 std::filesystem::create_directory(obstacle);
                               }});
  ASSERT_FALSE(blocked.ok());
  EXPECT_NE(blocked.status().message().find("fathom recover"),
            absl::string_view::npos);
  std::filesystem::remove(obstacle);

  const auto recovered = RecoverDataset(path_);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->end, ScanEnd::kDone);
  ASSERT_TRUE(recovered->counts);
  EXPECT_EQ(recovered->counts->sent, 1024U * 32U);
  EXPECT_EQ(recovered->links.replies, witness_.answered.size());
  EXPECT_EQ(recovered->counts->backend.own, (*backend)->counters().own);
  ReadBack();
  EXPECT_EQ(hops_.size(), witness_.answered.size());
}

TEST_F(ScanTest, LeavesNothingBehindWhenItCannotBegin) {
  const auto backend = OpenSimulated(Internet(), {}, nullptr);
  const TargetSet targets = Targets(4);
  for (const ScanOptions& options :
       {ScanOptions{.dataset = directory_.Path("a"), .strategy = "none"},
        ScanOptions{.dataset = directory_.Path("b"), .protocol = "none"},
        ScanOptions{.dataset = directory_.Path("c"), .pps = 0},
        ScanOptions{.dataset = directory_.Path("no/d")}}) {
    EXPECT_FALSE(RunScan(**backend, targets, {}, options, {}).ok());
  }
  EXPECT_TRUE(directory_.Entries().empty());
}

TEST(Plan, CountsProbesBytesAndTime) {
  const auto plan = PlanScan(
      Targets(1000),
      {.dataset = "", .pps = 1000, .cooldown = std::chrono::seconds(5)}, 14);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->probes, 32'000U);
  EXPECT_EQ(plan->bytes, 32'000U * (14 + 38));
  EXPECT_EQ(plan->duration, std::chrono::seconds(32 + 5));
}

}  // namespace
}  // namespace fathom
