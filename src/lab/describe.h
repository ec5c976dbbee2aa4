#ifndef FATHOM_SRC_LAB_DESCRIBE_H_
#define FATHOM_SRC_LAB_DESCRIBE_H_

#include <array>
#include <cstdint>
#include <string>

#include "src/lab/scenario.h"

namespace fathom::lab {

// What a scenario amounts to, measured on a sample of its own targets: the
// figures to hold against those of the real Internet.

// At the 10th, 25th, 50th, 75th and 90th percentile.
inline constexpr std::array<double, 5> kPercentiles = {0.10, 0.25, 0.50, 0.75,
                                                       0.90};
using Percentiles = std::array<double, kPercentiles.size()>;

struct LabDescription {
  uint64_t targets = 0;    // Addresses looked at, one flow each.
  Percentiles length{};    // Hops to hosts that answer, the host included.
  Percentiles last_hop{};  // Of the last router that answers on other paths.
  Percentiles rtt_ms{};    // To hosts that answer, without jitter.
  // Shares of the targets.
  double answering = 0;
  double absent = 0;  // The subnet is reached and no host answers.
  double unrouted = 0;
  double filtered = 0;
  double looping = 0;
  double balanced = 0;  // The path has a per-flow diamond in it.
  // Shares of the hops on all paths.
  double silent_hops = 0;
  double limited_hops = 0;
};

// Looks at `targets` addresses of the space, drawn evenly by the scenario's
// seed. REQUIRES: targets > 0.
LabDescription DescribeLab(const Scenario& scenario, uint64_t targets);

// As a table for people, a line a figure.
std::string ToString(const LabDescription& description);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_DESCRIBE_H_
