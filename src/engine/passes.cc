#include "src/engine/passes.h"

#include <utility>

#include "src/engine/ask_again.h"
#include "src/schedule/targets.h"

namespace fathom {
namespace {

// The later rounds ask on other paths where the first has changed, go on where
// answers were lost, and see whether what has changed is settled.
constexpr int kVerifyRounds = 3;

}  // namespace

std::vector<Pass> SecondLook(const ScanOptions& options) {
  std::vector<Pass> passes;
  passes.reserve(options.repair + kVerifyRounds);
  for (int round = 0; round < options.repair; ++round) {
    passes.push_back(
        {"repair", &LookForHoles, {.silent_places = round == 0}, 1});
  }
  for (int round = 0; options.verify > 0 && round < kVerifyRounds; ++round) {
    passes.push_back({"verify", &LookForDoubts, {}, options.verify});
  }
  return passes;
}

std::vector<std::unique_ptr<Strategy>> AskInLanes(Questions questions,
                                                  int times, uint64_t seed,
                                                  size_t lanes) {
  std::vector<Questions> dealt(lanes);
  if (lanes == 1) {
    dealt[0] = std::move(questions);
  } else {
    for (size_t i = 0; i < questions.size(); ++i) {
      const Probe probe = questions[i];
      dealt[LaneOf(probe.target, lanes)].Add(probe);
    }
  }
  std::vector<std::unique_ptr<Strategy>> strategies;
  strategies.reserve(lanes);
  for (auto& share : dealt) {
    strategies.push_back(
        std::make_unique<AskAgain>(std::move(share), times, seed));
  }
  return strategies;
}

void LaneCounts::Add(std::span<const std::unique_ptr<Lane>> lanes) {
  for (const auto& lane : lanes) {
    planned += lane->planned();
    sent += lane->prober().sent().value();
    withheld += lane->prober().withheld().value();
    packets += lane->receiver().packets();
    for (size_t v = 0; v < kVerdicts; ++v) {
      verdicts[v] += lane->receiver().verdict(static_cast<Verdict>(v)).value();
    }
  }
}

}  // namespace fathom
