#ifndef FATHOM_SRC_STRATEGY_YIELDS_H_
#define FATHOM_SRC_STRATEGY_YIELDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/base/hash.h"

namespace fathom {

// Yields learns, while a scan runs, what probes of each kind bring, so that
// those are sent which bring enough.
//
// A kind, or context, is a number that says all that is known before the probe
// is sent. What counts as news is the caller's choice: an answer, a router, a
// link. Until a context has been tried, a prior stands in; one in
// kExploration of the probes that seem not worth it is sent all the same, or
// a few unlucky ones would settle a context for good. Whole numbers and a
// seed: the same scan learns the same.
class Yields {
 public:
  // Thousandths of news a probe.
  using Share = uint32_t;

  struct Question {
    size_t context;
    Share prior;
    Share least;    // What is worth a probe.
    uint64_t salt;  // Of the exploration.
  };

  // 8 bytes a context.
  Yields(size_t contexts, uint64_t seed) : counts_(contexts), seed_(seed) {}

  bool Worth(const Question& question) const {
    const Count& count = counts_[question.context];
    if (uint64_t{1000} * count.news + question.prior * kPriorWeight >=
        question.least * (uint64_t{count.probes} + kPriorWeight)) {
      return true;
    }
    return Derive(seed_, question.salt) % kExploration == 0;
  }

  void Learn(size_t context, uint32_t probes, uint32_t news) {
    Count& count = counts_[context];
    count.probes += probes;
    count.news += news;
    if (count.probes < kMemory) return;
    // What is long past counts less.
    count.probes /= 2;
    count.news /= 2;
  }

 private:
  static constexpr uint64_t kPriorWeight = 32;
  static constexpr uint64_t kExploration = 64;
  static constexpr uint32_t kMemory = 1 << 16;

  struct Count {
    uint32_t probes = 0;
    uint32_t news = 0;
  };

  std::vector<Count> counts_;
  uint64_t seed_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_YIELDS_H_
