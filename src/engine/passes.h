#ifndef FATHOM_SRC_ENGINE_PASSES_H_
#define FATHOM_SRC_ENGINE_PASSES_H_

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/strategy.h"
#include "src/engine/lane.h"
#include "src/engine/scan.h"
#include "src/links/second_look.h"

namespace fathom {

// A scan goes over the network in passes. The first is the strategy's. Those
// after it are the second look: between two passes nobody sends or hears, and
// what the spool holds by then decides what the next one asks.

// One pass of the second look.
struct Pass {
  const char* name;
  absl::StatusOr<Look> (*look)(SpoolReader& spool, const LookOptions& options);
  LookOptions options;
  int times;  // How often each question is asked.
};

// The passes that the options ask for, in order: holes are repaired first, as
// that makes links to verify.
std::vector<Pass> SecondLook(const ScanOptions& options);

// How long to hear before looking. What comes later is heard, as the queues
// keep it, but too late to be looked at.
inline constexpr Nanos kSettle = std::chrono::seconds(2);

// Deals questions to lanes: a strategy for each.
std::vector<std::unique_ptr<Strategy>> AskInLanes(Questions questions,
                                                  int times, uint64_t seed,
                                                  size_t lanes);

// What the lanes of all passes so far have counted.
struct LaneCounts {
  uint64_t planned = 0;
  uint64_t sent = 0;
  uint64_t withheld = 0;
  uint64_t packets = 0;
  std::array<uint64_t, kVerdicts> verdicts{};

  void Add(std::span<const std::unique_ptr<Lane>> lanes);
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_PASSES_H_
