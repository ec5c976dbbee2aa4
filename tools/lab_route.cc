// fathom lab route: the true path to an address, to hold traces against.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/lab/scenario.h"
#include "src/lab/truth.h"
#include "tools/exit_code.h"
#include "tools/lab_commands.h"

namespace fathom {
namespace {

struct RouteFlags {
  std::string scenario;
  std::vector<std::string> addresses;
};

// Why the path is over, in a word.
const char* EndOf(const lab::Truth& truth, uint32_t target,
                  const lab::Route& route) {
  switch (route.end) {
    case lab::RouteEnd::kUnrouted:
      return truth.behaviour().TellsUnrouted(route.end_hash) ? "net_unreachable"
                                                             : "unrouted";
    case lab::RouteEnd::kFiltered:
      return truth.behaviour().TellsFiltered(route.end_hash) ? "prohibited"
                                                             : "filtered";
    case lab::RouteEnd::kLoop:
      return "loop";
    default:
      return truth.behaviour().TellsAbsent(target) ? "host_unreachable"
                                                   : "silent_host";
  }
}

class RoutePrinter {
 public:
  explicit RoutePrinter(const lab::Scenario& scenario)
      : source_(scenario.source.v4()),
        truth_(scenario),
        all_(Outspoken(scenario)) {}

  void Print(uint32_t target) const {
    std::vector<lab::TrueHop> hops;
    all_.VisitHops(target, lab::AddressKeys(source_, target),
                   lab::Sight::kAnyFlow,
                   [&](const lab::TrueHop& hop) { hops.push_back(hop); });
    // Where routers change in mid-scan, those that do not come up twice.
    std::sort(hops.begin(), hops.end(), [](const auto& a, const auto& b) {
      return a.distance != b.distance ? a.distance < b.distance
                                      : a.address < b.address;
    });
    hops.erase(std::unique(hops.begin(), hops.end()), hops.end());
    const std::string name = IpAddress::V4(target).ToString();
    for (const lab::TrueHop& hop : hops) {
      const char* what = "router";
      if (hop.host) {
        what = "host";
      } else if (truth_.behaviour().IsSilent(hop.address)) {
        what = "silent";
      }
      std::printf("%s,%d,%s,%s\n", name.c_str(), hop.distance,
                  IpAddress::V4(hop.address).ToString().c_str(), what);
    }
    if (!hops.empty() && hops.back().host) return;
    const int last = hops.empty() ? 0 : hops.back().distance;
    std::printf("%s,%d,,%s\n", name.c_str(), last + 1,
                EndOf(truth_, target, truth_.topology().RouteTo(target)));
  }

 private:
  // The same internet, where every router answers: the truth leaves out those
  // that cannot be seen.
  static lab::Scenario Outspoken(lab::Scenario scenario) {
    scenario.silent_routers = 0;
    return scenario;
  }

  const uint32_t source_;
  const lab::Truth truth_;
  const lab::Truth all_;
};

absl::Status PrintRoutes(const RouteFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  std::vector<uint32_t> targets;
  for (const std::string& text : flags.addresses) {
    const auto address = IpAddress::Parse(text);
    if (!address || address->family() != Family::kIpv4) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" is not an IPv4 address"));
    }
    targets.push_back(address->v4());
  }
  const RoutePrinter printer(scenario);
  std::puts("target,ttl,address,what");
  for (const uint32_t target : targets) printer.Print(target);
  return absl::OkStatus();
}

}  // namespace

void AddLabRoute(CLI::App& lab, int& exit_code) {
  CLI::App* const command =
      lab.add_subcommand("route", "the paths to addresses, all flows, as CSV");
  const auto flags = std::make_shared<RouteFlags>();
  command->add_option("SCENARIO", flags->scenario, "the scenario file")
      ->required();
  command->add_option("ADDRESS", flags->addresses, "IPv4 addresses")
      ->required();
  command->callback([flags, &exit_code] {
    const absl::Status status = PrintRoutes(*flags);
    if (!status.ok()) exit_code = Report(status);
  });
}

}  // namespace fathom
