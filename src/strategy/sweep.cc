// The stateless sweep: every TTL of every target, as often as asked, in an
// order that the seed fixes and that looks random, so that no router and no
// network gets its share all at once. One integer of state, unless options ask
// for what is in adaptive_sweep.cc.

#include <algorithm>
#include <array>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/schedule/permutation.h"
#include "src/strategy/adaptive_sweep.h"

namespace fathom {
namespace {

// Divides by the probes of a target, whose number is fixed when the scan
// starts, with a multiplication: n / d is the upper half of n * ceil(2^64 / d),
// exactly so while n < 2^64 / d (Granlund, Montgomery 1994).
class Divider {
 public:
  // REQUIRES: 1 <= divisor < 2^16.
  explicit Divider(uint64_t divisor)
      : divisor_(divisor), reciprocal_(~uint64_t{0} / divisor + 1) {}

  uint64_t divisor() const { return divisor_; }

  // REQUIRES: number < 2^48.
  uint64_t Quotient(uint64_t number) const {
    // The reciprocal of 1 is 2^64, which reads as 0.
    if (divisor_ == 1) return number;
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>(Wide{number} * reciprocal_ >> 64);
  }

 private:
  uint64_t divisor_;
  uint64_t reciprocal_;
};

class Sweep final : public Strategy {
 public:
  Sweep(const TargetSet& targets, const StrategyOptions& options)
      : targets_(targets),
        min_ttl_(options.min_ttl.value()),
        ttls_(uint64_t{options.max_ttl.value()} - min_ttl_ + 1),
        probes_(ttls_ * options.probes),
        order_(targets.size() * probes_.divisor(), options.seed) {}

  size_t Next(Instant, std::span<Probe> out) override {
    size_t written = 0;
    while (written < out.size() && !done()) {
      written += NextBatch(out.subspan(written));
    }
    return written;
  }

  void Observe(std::span<const Reply>) override {}
  bool observes() const override { return false; }

  bool done() const override { return next_ == order_.size(); }

  uint64_t planned() const override { return order_.size(); }

 private:
  static constexpr size_t kBatch = 64;

  // The numbers come first and the addresses after, so that the cache misses
  // of a batch, one a probe in a large scan, are waited for together.
  size_t NextBatch(std::span<Probe> out) {
    std::array<uint64_t, kBatch> numbers;
    const size_t count = std::min({kBatch, out.size(), order_.size() - next_});
    order_.Fill(next_, std::span(numbers).first(count));
    for (size_t i = 0; i < count; ++i) {
      const uint64_t target = probes_.Quotient(numbers[i]);
      uint64_t ttl = numbers[i] - target * probes_.divisor();
      // Not %: mostly there is nothing to take off.
      while (ttl >= ttls_) ttl -= ttls_;
      ttl += min_ttl_;
      out[i] = {targets_[target], Ttl(static_cast<uint8_t>(ttl)), FlowId(0)};
    }
    next_ += count;
    return count;
  }

  const TargetSet& targets_;
  uint64_t min_ttl_;
  uint64_t ttls_;
  Divider probes_;
  Permutation order_;
  uint64_t next_ = 0;
};

absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sweep TTLs ", options.min_ttl.value(), " to ", options.max_ttl.value(),
        ": 1 <= first <= last is needed"));
  }
  if (options.probes < 1) {
    return absl::InvalidArgumentError("sweep: 0 probes a TTL; send at least 1");
  }
  if (IsAdaptive(options)) return MakeAdaptiveSweep(targets, options);
  return std::make_unique<Sweep>(targets, options);
}

const Register<StrategyModule> kSweep({"sweep", "every TTL of every target",
                                       &Make});

}  // namespace
}  // namespace fathom
