#include "src/lab/check.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_format.h"
#include "src/lab/census.h"
#include "src/lab/survey.h"
#include "src/lab/truth.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kWholeInternet = 10'000'000;  // /24s.

// Puts figures into words.
class Report {
 public:
  // A share, between two others.
  void Share(const char* name, double value, double low, double high) {
    Add(name, absl::StrFormat("%.2f %%", 100 * value),
        absl::StrFormat("%g - %g %%", 100 * low, 100 * high),
        value >= low && value <= high);
  }

  // Percentiles, each between two others.
  void Spread(const char* name, const Percentiles& values,
              const Percentiles& low, const Percentiles& high) {
    bool fits = true;
    for (size_t i = 0; i < values.size(); ++i) {
      fits &= values[i] >= low[i] && values[i] <= high[i];
    }
    Add(name, Text(values), Text(low) + " - " + Text(high), fits);
  }

  // A number, in thousands.
  void Thousands(const char* name, uint64_t value, double low, double high) {
    const double thousands = static_cast<double>(value) / 1e3;
    Add(name, absl::StrFormat("%.0f k", thousands),
        absl::StrFormat("%.0f - %.0f k", low, high),
        thousands >= low && thousands <= high);
  }

  std::vector<Figure> Take() { return std::move(figures_); }

 private:
  static std::string Text(const Percentiles& p) {
    return absl::StrFormat("%.0f/%.0f/%.0f/%.0f/%.0f", p[0], p[1], p[2], p[3],
                           p[4]);
  }

  void Add(const char* name, std::string measured, std::string wanted,
           bool fits) {
    figures_.push_back({name, std::move(measured), std::move(wanted), fits});
  }

  std::vector<Figure> figures_;
};

void AddPaths(const LabSurvey& survey, Report& report) {
  report.Spread("hops to hosts that answer, p10/25/50/75/90", survey.length,
                {7, 10, 12, 14, 16}, {9, 12, 14, 16, 19});
  report.Spread("last router that answers on other paths", survey.last_hop,
                {2, 4, 5, 9, 11}, {5, 7, 9, 12, 15});
  report.Spread("RTT of hosts, ms", survey.rtt_ms, {27, 50, 133, 189, 222},
                {65, 110, 195, 311, 400});
  report.Share("hosts slower than a second", survey.slow_hosts, 0.03, 0.07);
  report.Share("addresses that answer echo requests", survey.answering, 0.07,
               0.12);
  report.Share("addresses that answer UDP", survey.udp, 0.03, 0.05);
  report.Share("addresses that are routed", 1 - survey.unrouted, 0.69, 0.83);
  report.Share("addresses behind a persistent loop", survey.looping, 0.006,
               0.027);
  report.Share("paths with a per-flow balancer", survey.balanced, 0.39, 0.75);
  report.Share("paths through an MPLS tunnel", survey.tunnelled, 0.30, 0.60);
  report.Share("paths that change within an hour", survey.changing, 0.01, 0.03);
}

void AddMachines(const LabSurvey& survey, const LabSweep& sweep,
                 Report& report) {
  report.Share("hops that never answer", survey.silent_hops, 0.15, 0.25);
  report.Share("balancers two wide", survey.two_wide, 0.45, 0.65);
  report.Share("balancers that are meshed", survey.meshed, 0.10, 0.20);
  report.Share("balancers that go by the packet", survey.per_packet, 0.005,
               0.02);
  report.Share("tunnels less than explicit, to those", survey.dim_tunnels, 0.30,
               0.55);
  report.Share("routers that quote 28 bytes", survey.short_quotes, 0.60, 0.70);
  report.Share("routers whose replies start at TTL 255", survey.initial_255,
               0.70, 0.80);
  report.Share("routers without a limit below 1,000 a second", survey.unlimited,
               0.30, 0.40);
  report.Share("replies with MPLS labels", sweep.labelled, 0.05, 0.10);
  report.Share("replies that quote another target or flow", sweep.rewritten,
               0.0005, 0.001);
  report.Share("replies that quote a TTL that cannot be", sweep.odd_quotes,
               0.003, 0.01);
}

// What is known of exhaustive scans of all /24s: FlashRoute's own, and an
// independent one's.
void AddCrossChecks(const Scenario& scenario, const LabSweep& sweep,
                    Report& report) {
  report.Share("replies a probe, TTL 1-16, one flow, 100 kpps",
               sweep.replies_per_probe, 0.20, 0.30);
  if (CountSlash24s(scenario) < kWholeInternet) return;
  const LabCensus census = TakeCensus(scenario);
  report.Thousands("/24s", census.blocks, 14'000, 15'500);
  report.Thousands("interfaces of routers, one flow", census.routers, 800, 900);
  report.Share("interfaces that a stop set costs", census.stop_loss(), 0.01,
               0.02);
  report.Share("interfaces that gap 0 costs beside gap 5", census.gap_loss(),
               0.08, 0.09);
}

}  // namespace

std::vector<Figure> CheckLab(const Scenario& scenario,
                             const CheckOptions& options) {
  const LabSurvey survey = SurveyLab(scenario, options.targets);
  const LabSweep sweep = SweepLab(scenario, options.blocks, options.pps);
  Report report;
  AddPaths(survey, report);
  AddMachines(survey, sweep, report);
  AddCrossChecks(scenario, sweep, report);
  return report.Take();
}

}  // namespace fathom::lab
