#ifndef FATHOM_SRC_LAB_SURVEY_H_
#define FATHOM_SRC_LAB_SURVEY_H_

#include <array>
#include <cstdint>

#include "src/lab/scenario.h"

namespace fathom::lab {

// What a scenario amounts to, measured on a sample of its own targets: figures
// of the same kind as those that are known of the real Internet.

// At the 10th, 25th, 50th, 75th and 90th percentile.
inline constexpr std::array<double, 5> kPercentiles = {0.10, 0.25, 0.50, 0.75,
                                                       0.90};
using Percentiles = std::array<double, kPercentiles.size()>;

struct LabSurvey {
  uint64_t targets = 0;    // Addresses looked at, one flow each.
  Percentiles length{};    // Hops to hosts that answer, the host included.
  Percentiles last_hop{};  // Of the last router that answers on other paths.
  Percentiles rtt_ms{};    // To hosts that answer, without jitter.
  double slow_hosts = 0;   // Share of these hosts that take over a second.
  // Shares of the targets.
  double answering = 0;  // Echo requests,
  double udp = 0;        // and UDP.
  double absent = 0;     // The subnet is reached and no host answers.
  double unrouted = 0;
  double filtered = 0;
  double looping = 0;
  double balanced = 0;   // The path has a per-flow diamond in it,
  double tunnelled = 0;  // an MPLS tunnel.
  double changing = 0;   // It is another one at the end.
  // Shares of the diamonds that the paths meet, each diamond once.
  double two_wide = 0;
  double per_packet = 0;
  double meshed = 0;
  // Shares of the routers that answer, each router once.
  double short_quotes = 0;
  double initial_255 = 0;
  double unlimited = 0;  // Below 1,000 replies a second.
  // Shares of the hops on all paths.
  double silent_hops = 0;
  // Of the tunnels that the paths meet: implicit, opaque or invisible ones for
  // each explicit one.
  double dim_tunnels = 0;
};

// Looks at `targets` addresses of the space, drawn evenly by the scenario's
// seed. REQUIRES: targets > 0.
LabSurvey SurveyLab(const Scenario& scenario, uint64_t targets);

// What a sweep hears: TTLs 1 to 16 of one address in each of `blocks` /24s,
// drawn evenly, in random order at `pps`.
struct LabSweep {
  double replies_per_probe = 0;
  // Shares of the replies.
  double labelled = 0;    // With MPLS labels.
  double rewritten = 0;   // Quoting another target or flow.
  double odd_quotes = 0;  // Quoting a TTL that cannot be.
};
LabSweep SweepLab(const Scenario& scenario, uint64_t blocks, uint64_t pps);

// The `index`-th of the addresses that a sample of the space consists of; the
// same for the same scenario.
uint32_t SampleAddress(const Scenario& scenario, uint64_t index);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SURVEY_H_
