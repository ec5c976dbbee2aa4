// Which hops a scan loses to routers that limit their replies: yarrp's sweeps
// beside ours, at equal rates, on a lab of which every answer is known.
//
//   lost_hops SCENARIO [TARGETS] [PPS...]     65,536 targets at 10 K, 50 K, 100
//   K
//
// A hop is a router that answers, at its distance from one target. It is lost
// if it was asked and not heard; hops that were not asked are counted apart.
// Everything runs in process and in virtual time; nothing is sent anywhere.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "backends/simulated.h"
#include "fathom/dataset.h"
#include "src/base/status_macros.h"
#include "src/engine/scan.h"
#include "src/lab/fate.h"
#include "src/lab/probe_packet.h"
#include "src/lab/scenario.h"
#include "src/lab/score.h"
#include "src/lab/truth.h"
#include "src/lab/truth_dataset.h"

namespace fathom {
namespace {

constexpr uint64_t kSeed = 1;
constexpr unsigned kMaxTtl = 32;

// One way to scan.
struct Way {
  const char* name;
  const char* strategy;
  unsigned max_ttl = kMaxTtl;
  unsigned fill = 0;
  unsigned neighborhood = 0;
  uint64_t router_pps = 0;
};

constexpr Way kWays[] = {
    {"yarrp-32", "yarrp-32"},
    {"yarrp-fill", "yarrp-fill"},
    {"yarrp-neighborhood", "yarrp-neighborhood"},
    {"sweep", "sweep"},
    {"sweep fill", "sweep", 16, 32},
    {"sweep neighborhood", "sweep", 32, 0, 10},
    {"sweep caps", "sweep", 32, 0, 0, 1000},
    {"sweep neighborhood caps", "sweep", 32, 0, 10, 1000},
    {"sweep all three", "sweep", 16, 32, 10, 1000},
};

// What was asked and answered, two bits for each target and TTL.
class Witness final : public lab::Observer {
 public:
  explicit Witness(const TargetSet& targets)
      : targets_(targets),
        asked_(targets.size() * kMaxTtl),
        answered_(asked_.size()) {}

  void Observe(const lab::Observation& seen) override {
    const auto probe = lab::ReadProbe(seen.probe);
    if (!probe || probe->ip.ttl > kMaxTtl) return;
    const auto target = targets_.Find(IpAddress::V4(probe->ip.destination));
    if (!target) return;
    const size_t cell = Cell(*target, probe->ip.ttl);
    asked_[cell] = true;
    if (lab::IsAnswered(seen.fate)) answered_[cell] = true;
    limited += seen.fate == lab::Fate::kRateLimited;
  }

  static size_t Cell(size_t target, unsigned ttl) {
    return target * kMaxTtl + ttl - 1;
  }
  bool asked(size_t cell) const { return asked_[cell]; }
  bool answered(size_t cell) const { return answered_[cell]; }

  uint64_t limited = 0;  // Probes.

 private:
  const TargetSet& targets_;
  std::vector<bool> asked_;
  std::vector<bool> answered_;
};

struct Outcome {
  uint64_t sent = 0;
  double seconds = 0;
  uint64_t limited = 0;
  uint64_t lost = 0;
  uint64_t near_lost = 0;  // Of these, at TTL 10 or less.
  uint64_t not_asked = 0;
  lab::Score score{};
};

class Comparison {
 public:
  Comparison(lab::Scenario scenario, std::vector<uint32_t> addresses)
      : scenario_(std::move(scenario)),
        targets_(addresses),
        judge_(scenario_, addresses, kSeed) {
    const lab::Truth truth(scenario_);
    for (size_t i = 0; i < addresses.size(); ++i) {
      const auto keys =
          lab::CanonicalKeys(scenario_.source.v4(), addresses[i], kSeed);
      truth.VisitHops(addresses[i], keys, lab::Sight::kOneFlow,
                      [&](const lab::TrueHop& hop) {
                        if (hop.host || hop.distance > kMaxTtl) return;
                        hops_.push_back(Witness::Cell(i, hop.distance));
                      });
    }
    std::sort(hops_.begin(), hops_.end());
    hops_.erase(std::unique(hops_.begin(), hops_.end()), hops_.end());
  }

  size_t hops() const { return hops_.size(); }

  absl::StatusOr<Outcome> Run(const Way& way, uint64_t pps) const {
    Witness witness(targets_);
    FATHOM_ASSIGN_OR_RETURN(const auto backend,
                            OpenSimulated(scenario_, {}, &witness));
    ScanOptions options;
    options.dataset = (std::filesystem::temp_directory_path() /
                       absl::StrFormat("lost-hops-%d", getpid()))
                          .string();
    options.strategy = way.strategy;
    options.pps = pps;
    options.max_ttl = Ttl(static_cast<uint8_t>(way.max_ttl));
    options.fill = Ttl(static_cast<uint8_t>(way.fill));
    options.neighborhood = Ttl(static_cast<uint8_t>(way.neighborhood));
    options.router_pps = way.router_pps;
    options.seed = kSeed;
    FATHOM_ASSIGN_OR_RETURN(
        const ScanResult result,
        RunScan(*backend, targets_, PrefixSet(), options, {}));
    Outcome outcome = Count(witness);
    outcome.sent = result.counts.sent;
    outcome.seconds =
        std::chrono::duration<double>(result.sending_end - result.start)
            .count();
    const auto score = Rate(options.dataset);
    std::filesystem::remove_all(options.dataset);
    if (!score.ok()) return score.status();
    outcome.score = *score;
    return outcome;
  }

 private:
  Outcome Count(const Witness& witness) const {
    Outcome outcome{.limited = witness.limited};
    for (const size_t cell : hops_) {
      if (!witness.asked(cell)) {
        ++outcome.not_asked;
      } else if (!witness.answered(cell)) {
        ++outcome.lost;
        outcome.near_lost += cell % kMaxTtl < 10;
      }
    }
    return outcome;
  }

  absl::StatusOr<lab::Score> Rate(const std::string& dataset) const {
    FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(dataset));
    std::vector<lab::Claim> claims;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
      if (links.empty()) break;
      for (const Link& link : links) {
        if (link.gap == 0) claims.push_back({link.near.v4(), link.far.v4()});
      }
    }
    std::vector<uint32_t> interfaces;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
      if (replies.empty()) break;
      for (const Reply& reply : replies) {
        interfaces.push_back(reply.responder.v4());
      }
    }
    std::sort(interfaces.begin(), interfaces.end());
    interfaces.erase(std::unique(interfaces.begin(), interfaces.end()),
                     interfaces.end());
    return judge_.Rate(claims, interfaces);
  }

  const lab::Scenario scenario_;
  const TargetSet targets_;
  const lab::Judge judge_;
  std::vector<size_t> hops_;
};

absl::StatusOr<lab::Scenario> Read(const char* path) {
  return lab::ReadScenario(path);
}

absl::Status Compare(const char* path, uint64_t count,
                     const std::vector<uint64_t>& rates) {
  FATHOM_ASSIGN_OR_RETURN(auto scenario, Read(path));
  std::vector<uint32_t> addresses;
  lab::SampleSlash24s(
      scenario, std::min(count, lab::CountSlash24s(scenario)),
      [&](const Prefix& prefix) {
        const uint32_t first = prefix.first().v4();
        addresses.push_back(first + 1 + Derive(kSeed, first) % 254);
      });
  const Comparison comparison(scenario, addresses);
  std::printf(
      "%s: %zu targets, %zu hops that answer\n\n%-8s%-25s%9s%8s%9s%9s"
      "%7s%9s%9s%9s%9s\n",
      path, addresses.size(), comparison.hops(), "pps", "", "probes", "s",
      "limited", "lost", "%", "TTL<=10", "unasked", "links", "ifaces");
  for (const uint64_t pps : rates) {
    for (const Way& way : kWays) {
      FATHOM_ASSIGN_OR_RETURN(const Outcome o, comparison.Run(way, pps));
      std::printf("%-8zu%-25s%9zu%8.1f%9zu%9zu%7.2f%9zu%9zu%9zu%9zu\n", pps,
                  way.name, o.sent, o.seconds, o.limited, o.lost,
                  100.0 * static_cast<double>(o.lost) /
                      static_cast<double>(comparison.hops() - o.not_asked),
                  o.near_lost, o.not_asked, o.score.true_links,
                  o.score.true_routers + o.score.true_hosts);
      std::fflush(stdout);
    }
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: lost_hops SCENARIO [TARGETS] [PPS...]\n");
    return 2;
  }
  const uint64_t count =
      argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 65'536;
  std::vector<uint64_t> rates;
  for (int i = 3; i < argc; ++i) {
    rates.push_back(std::strtoull(argv[i], nullptr, 10));
  }
  if (rates.empty()) rates = {10'000, 50'000, 100'000};
  const absl::Status status = Compare(argv[1], count, rates);
  if (status.ok()) return 0;
  std::fprintf(stderr, "lost_hops: %s\n",
               std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) { return fathom::Main(argc, argv); }
