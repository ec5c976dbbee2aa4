#ifndef FATHOM_SRC_STRATEGY_ADAPTIVE_SWEEP_H_
#define FATHOM_SRC_STRATEGY_ADAPTIVE_SWEEP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "fathom/strategy.h"
#include "fathom/targets.h"

namespace fathom {

// Whether the options ask the sweep for more than its plain walk, so that it
// has to listen.
bool IsAdaptive(const StrategyOptions& options);

// The sweep that listens; see the source. Fails on options that contradict
// each other. REQUIRES: 1 <= min_ttl <= max_ttl, probes >= 1.
absl::StatusOr<std::unique_ptr<Strategy>> MakeAdaptiveSweep(
    const TargetSet& targets, const StrategyOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_ADAPTIVE_SWEEP_H_
