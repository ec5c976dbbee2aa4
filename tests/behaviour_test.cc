// Every behaviour of the lab, one at a time and far more often than out there:
// that it happens, and that a scan makes no false link of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/engine/scan.h"
#include "src/lab/network.h"
#include "src/lab/probe_packet.h"
#include "src/lab/truth.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using Edge = std::pair<uint32_t, uint32_t>;

// Counts what the lab did, by names of its own.
class Witness final : public lab::Observer {
 public:
  explicit Witness(const lab::Scenario& scenario) : truth_(scenario) {}

  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    ASSERT_TRUE(probe);
    start_ = start_ ? start_ : seen.sent;
    const lab::Landing landing = truth_.topology().Land(
        probe->ip.destination, probe->keys, probe->ip.ttl, seen.sent - *start_);
    keys[probe->ip.destination] = probe->keys;
    ++events[lab::kFateNames[static_cast<size_t>(seen.fate)]];
    if (!lab::HasReply(seen.fate)) return;
    // What the reply gives away.
    if (seen.copies > 1) ++events["duplicated"];
    if (seen.due - seen.sent > std::chrono::milliseconds(800)) ++events["late"];
    if (seen.reply.size() == 28 + 128 + 12) ++events["labelled"];
    if (seen.reply.size() == 28 + seen.probe.size()) ++events["full quote"];
    if (seen.fate != lab::Fate::kTimeExceeded) return;
    responders[{probe->ip.destination, probe->ip.ttl}].insert(seen.responder);
    const auto quoted = Load<Ipv4Header>(seen.reply.subspan(28));
    if (quoted.ttl == 64) ++events["odd ttl"];
    if (quoted.ttl > 1 && quoted.ttl < 20) ++events["implicit"];
    if (quoted.id != probe->ip.id) ++events["ip id"];
    if (landing.hidden > 0) ++events["hidden"];
    if (landing.distance < probe->ip.ttl) ++events["looping"];
    if (seen.sent - *start_ > std::chrono::seconds(1) &&
        truth_.topology().AgesOf(probe->ip.destination).size() > 1) {
      ++events["changing"];
    }
  }

  const lab::Truth& truth() const { return truth_; }

  // The targets and TTLs at which several routers answered.
  uint64_t Unsteady() const {
    return static_cast<uint64_t>(
        std::count_if(responders.begin(), responders.end(),
                      [](const auto& cell) { return cell.second.size() > 1; }));
  }

  std::map<std::string, uint64_t> events;
  std::map<uint32_t, lab::FlowKeys> keys;
  std::map<std::pair<uint32_t, uint8_t>, std::set<uint32_t>> responders;

 private:
  const lab::Truth truth_;
  std::optional<Instant> start_;
};

struct Behaviour {
  const char* name;
  std::function<void(lab::Scenario&)> enable;
  const char* event;  // What the witness must have seen.
  uint8_t probes = 1;
};

void PrintTo(const Behaviour& behaviour, std::ostream* out) {
  *out << behaviour.name;
}

using S = lab::Scenario;

lab::Scenario Quiet() {
  lab::Scenario scenario = *lab::ReadScenario(FATHOM_SCENARIOS "/clean.lab");
  scenario.space = {*Prefix::Parse("4.4.0.0/14")};
  scenario.tunnels = 0;
  return scenario;
}

void Tunnels(S& s, size_t kind) {
  s.tunnels = 1;
  s.diamonds = {};
  s.tunnel_kinds = {};
  s.tunnel_kinds[kind] = 1;
}

void Limit(S& s, double rate, uint32_t burst) {
  s.limits[0] = {.share = 1, .rate = {rate, rate}, .burst = {burst, burst}};
}

std::vector<Behaviour> Behaviours() {
  return {
      {"PerFlowBalancers",
       [](S& s) {
         s.diamonds.fill(1);
         s.meshed = 0;
       },
       "joined"},
      {"PerDestinationBalancers",
       [](S& s) {
         s.diamonds.fill(1);
         s.meshed = 0;
         s.per_destination = 1;
       },
       "joined"},
      {"MeshedDiamonds",
       [](S& s) {
         s.diamonds.fill(1);
         s.diamond_length = {2, 3};
         s.meshed = 1;
       },
       "crossed"},
      {"ExplicitTunnels", [](S& s) { Tunnels(s, 0); }, "labelled"},
      {"ImplicitTunnels", [](S& s) { Tunnels(s, 1); }, "implicit"},
      {"OpaqueTunnels", [](S& s) { Tunnels(s, 2); }, "labelled"},
      {"InvisibleTunnels", [](S& s) { Tunnels(s, 3); }, "hidden"},
      {"SilentRouters", [](S& s) { s.silent_routers = 0.4; }, "silent_router"},
      {"SlowLimits", [](S& s) { Limit(s, 1, 3); }, "rate_limited"},
      {"FastLimits", [](S& s) { Limit(s, 20, 5); }, "rate_limited"},
      {"Loops", [](S& s) { s.loops[5] = 0.5; }, "looping"},
      {"SilentFirewalls",
       [](S& s) {
         s.filtered[5] = 0.5;
         s.prohibited = 0;
       },
       "filtered"},
      {"Firewalls",
       [](S& s) {
         s.filtered[5] = 0.5;
         s.prohibited = 1;
       },
       "prohibited"},
      {"MissingRoutes",
       [](S& s) {
         s.unrouted[5] = 0.5;
         s.net_unreachable = 1;
       },
       "net_unreachable"},
      {"AbsentHosts", [](S& s) { s.host_unreachable = 1; }, "host_unreachable"},
      {"SlowHosts", [](S& s) { s.slow_hosts = 1; }, "late"},
      {"LongQuotes",
       [](S& s) {
         s.long_quotes = 1;
         s.full_quotes = 0;
       },
       "full quote"},
      {"FullQuotes",
       [](S& s) {
         s.long_quotes = 0;
         s.full_quotes = 1;
       },
       "full quote"},
      {"RewrittenTargets", [](S& s) { s.rewritten_targets = 0.3; },
       "rewritten"},
      {"RewrittenFlows", [](S& s) { s.rewritten_flows = 0.3; }, "rewritten"},
      {"RewrittenIds", [](S& s) { s.rewritten_ids = 0.3; }, "ip id"},
      {"OddQuotedTtls", [](S& s) { s.odd_quoted_ttls = 0.3; }, "odd ttl"},
      {"Loss", [](S& s) { s.loss = 0.2; }, "lost_return"},
      {"LateReplies", [](S& s) { s.late_replies = 0.3; }, "late"},
      {"DuplicatedReplies", [](S& s) { s.duplicated_replies = 0.3; },
       "duplicated"},
      {"TruncatedReplies", [](S& s) { s.truncated_replies = 0.3; },
       "truncated"},
      {"ForgedReplies", [](S& s) { s.forged_replies = 0.5; }, "time_exceeded"},
      {"GarbageReplies", [](S& s) { s.garbage_replies = 0.5; },
       "time_exceeded"},
      {"PerPacketBalancers",
       [](S& s) {
         s.diamonds.fill(1);
         s.diamond_length = {2, 3};
         s.per_packet = 0.1;
       },
       "time_exceeded", 4},
      {"RouteChanges",
       [](S& s) {
         s.route_changes = 0.2;
         s.route_change_s = {1, 20};
       },
       "changing", 4},
  };
}

// Counts what only diamonds do to links: routers that several lead to, which a
// tree has none of, and routers that lead to several of these, which takes a
// mesh.
void CountDiamonds(const std::set<Edge>& links,
                   std::map<std::string, uint64_t>& events) {
  std::map<uint32_t, std::set<uint32_t>> nears, fars;
  for (const auto& [near, far] : links) {
    nears[far].insert(near);
    fars[near].insert(far);
  }
  for (const auto& [far, from] : nears) {
    events["joined"] += from.size() > 1 ? 1 : 0;
  }
  for (const auto& [near, to] : fars) {
    const bool crosses = std::any_of(to.begin(), to.end(), [&](uint32_t far) {
      return nears[far].size() > 1;
    });
    events["crossed"] += to.size() > 1 && crosses ? 1 : 0;
  }
}

class BehaviourTest : public testing::TestWithParam<Behaviour> {
 protected:
  struct Found {
    std::set<Edge> trusted;
    std::set<Edge> doubted;
  };

  // Scans every /24 of the scenario.
  Found Scan(const lab::Scenario& scenario, Witness& witness) {
    std::vector<uint32_t> targets;
    lab::VisitSlash24s(scenario, [&](const Prefix& prefix) {
      targets.push_back(prefix.first().v4() + 1 + targets.size() % 220);
    });
    const auto backend = OpenSimulated(scenario, {}, &witness);
    EXPECT_TRUE(backend.ok()) << backend.status();
    const TemporaryDirectory directory;
    const std::string path = directory.Path("scan");
    const auto result = RunScan(**backend, TargetSet(std::move(targets)), {},
                                {.dataset = path,
                                 .pps = 8'000,
                                 .max_ttl = Ttl(24),
                                 .probes = GetParam().probes,
                                 .seed = 3,
                                 .cooldown = std::chrono::seconds(20)},
                                {});
    EXPECT_TRUE(result.ok()) << result.status();
    counters_ = result->counts.backend.own;
    return ReadLinks(path);
  }

  static Found ReadLinks(const std::string& path) {
    Found found;
    const auto reader = OpenDataset(path);
    EXPECT_TRUE(reader.ok()) << reader.status();
    while (true) {
      const auto links = (*reader)->NextLinks();
      EXPECT_TRUE(links.ok()) << links.status();
      if (!links.ok() || links->empty()) return found;
      for (const Link& link : *links) {
        if (link.gap != 0) continue;
        auto& set =
            (link.flags & kLinkDoubts) == 0 ? found.trusted : found.doubted;
        set.emplace(link.near.v4(), link.far.v4());
      }
    }
  }

  static std::set<Edge> TruthFor(Witness& witness) {
    std::set<Edge> edges;
    for (const auto& [target, keys] : witness.keys) {
      witness.truth().VisitLinks(target, keys, lab::Sight::kAnyFlow,
                                 [&](const lab::TrueLink& link) {
                                   edges.emplace(link.near, link.far);
                                 });
    }
    return edges;
  }

  std::vector<std::pair<std::string, uint64_t>> counters_;
};

INSTANTIATE_TEST_SUITE_P(All, BehaviourTest, testing::ValuesIn(Behaviours()),
                         [](const testing::TestParamInfo<Behaviour>& info) {
                           return info.param.name;
                         });

TEST_P(BehaviourTest, HappensAndMakesNoFalseLink) {
  lab::Scenario scenario = Quiet();
  GetParam().enable(scenario);
  Witness witness(scenario);
  const Found found = Scan(scenario, witness);
  CountDiamonds(found.trusted, witness.events);
  EXPECT_GE(witness.events[GetParam().event], 50U);
  if (scenario.diamonds == decltype(scenario.diamonds){}) {
    EXPECT_EQ(witness.events["joined"], 0U);
  }
  if (scenario.meshed == 0) {
    EXPECT_EQ(witness.events["crossed"], 0U);
  }
  for (const auto& [name, count] : counters_) {
    if (name == "forged" && scenario.forged_replies > 0) {
      EXPECT_GT(count, 100U);
    }
    if (name == "garbage" && scenario.garbage_replies > 0) {
      EXPECT_GT(count, 100U);
    }
  }
  const std::set<Edge> truth = TruthFor(witness);
  std::vector<Edge> invented;
  std::set_difference(found.trusted.begin(), found.trusted.end(), truth.begin(),
                      truth.end(), std::back_inserter(invented));
  EXPECT_GT(found.trusted.size(), 100U);
  // Of routers that change by the packet, four answers alike are now and then
  // chance.
  const size_t chance = GetParam().probes > 1 ? found.trusted.size() / 1000 : 0;
  EXPECT_LE(invented.size(), chance) << found.trusted.size();
  // Only what was asked more than once can be seen to change.
  if (GetParam().probes > 1) {
    EXPECT_GT(witness.Unsteady(), 100U);
    EXPECT_GT(found.doubted.size(), 20U);
  } else {
    EXPECT_EQ(witness.Unsteady(), 0U);
  }
}

}  // namespace
}  // namespace fathom
