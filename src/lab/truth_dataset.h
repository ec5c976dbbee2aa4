#ifndef FATHOM_SRC_LAB_TRUTH_DATASET_H_
#define FATHOM_SRC_LAB_TRUTH_DATASET_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/lab/scenario.h"
#include "src/lab/truth.h"

namespace fathom::lab {

// The truth as a dataset: what a scan of the targets would leave behind if
// nothing were lost and nobody limited their answers.
//
//   links  every link that can be seen, with the number of targets whose path
//          has it as `paths`. Links back into a loop are not among them: see
//          LinkKind::kLoopBack. In-loop is set where every path that has the
//          link loops.
//   hops   for each target and distance, who may answer there: one router for
//          one flow, several for more. The flow is 0; the times, which truth
//          has none of, are 1970; round-trip times are unknown.
//
// Hops stream past; links take 40 bytes each while this runs.

// The keys of probes for Sight::kOneFlow: a flow that stands for a scanner's.
// It is drawn for each target, as the flow of a scan is, but it is not that of
// a scan with this seed: what balancers hash is made by the scan's codec, which
// the lab knows nothing of.
constexpr FlowKeys CanonicalKeys(uint32_t source, uint32_t target,
                                 uint64_t seed) {
  const uint64_t addresses = AddressKey(source, target);
  const uint64_t flow = Derive(seed, addresses);
  return {.flow = flow, .addresses = addresses, .packet = flow};
}

struct TruthOptions {
  Sight sight = Sight::kAnyFlow;
  uint64_t seed = 0;  // Of the flow, for kOneFlow.
};

struct TruthCounts {
  uint64_t links = 0;
  uint64_t routers = 0;  // That answer.
  uint64_t hosts = 0;    // Likewise.
  uint64_t hops = 0;
};

// Writes hops and links; does not call writer.Finish().
// REQUIRES: CheckScenario(scenario) is OK; targets ascend.
absl::StatusOr<TruthCounts> WriteTruth(const Scenario& scenario,
                                       std::span<const uint32_t> targets,
                                       const TruthOptions& options,
                                       DatasetWriter& writer);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_TRUTH_DATASET_H_
