#ifndef FATHOM_SRC_ENGINE_ASK_AGAIN_H_
#define FATHOM_SRC_ENGINE_ASK_AGAIN_H_

#include <cstdint>
#include <utility>

#include "fathom/strategy.h"
#include "src/links/second_look.h"
#include "src/schedule/permutation.h"

namespace fathom {

// Asks a list of questions, in an order that looks random, so that those to one
// router are spread over the pass; all of it several times over, so that the
// answers to one question are spread as well. Such a repetition begins a second
// after the last one did or later: by then limited routers may answer again,
// and no reply can be taken for a copy of another.
//
// Not registered: only a scan's second look has such a list.
class AskAgain final : public Strategy {
 public:
  static constexpr Nanos kSpacing = std::chrono::seconds(1);

  AskAgain(Questions questions, int times, uint64_t seed)
      : questions_(std::move(questions)),
        times_(questions_.empty() ? 0 : times),
        order_(questions_.size(), seed) {}

  size_t Next(Instant now, std::span<Probe> out) override;

  void Observe(std::span<const Reply>) override {}
  bool observes() const override { return false; }

  bool done() const override { return time_ == times_; }
  uint64_t planned() const override {
    return questions_.size() * static_cast<uint64_t>(times_);
  }

 private:
  const Questions questions_;
  const int times_;
  const Permutation order_;
  int time_ = 0;       // How often all was asked.
  uint64_t next_ = 0;  // In the order.
  Instant began_;      // This time.
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_ASK_AGAIN_H_
