// FlashRoute-16 as published (Huang et al., IMC 2020), for comparison: starts
// at TTL 16, and goes in rounds of at least a second, a probe forward and one
// back each. The way back ends at a router that was heard before within the
// first 16 TTLs, the way forward at the target or 5 TTLs past the last answer.
// Without the preprobing of other variants.

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/schedule/permutation.h"

namespace fathom {
namespace {

constexpr int kSplit = 16;
constexpr int kGap = 5;
constexpr int kLastTtl = 32;
constexpr Nanos kRound = std::chrono::seconds(1);

class FlashRoute final : public Strategy {
 public:
  FlashRoute(const TargetSet& targets, const StrategyOptions& options)
      : targets_(targets),
        min_ttl_(options.min_ttl.value()),
        max_ttl_(std::max<int>(
            min_ttl_, std::min<int>(kLastTtl, options.max_ttl.value()))),
        split_(std::clamp(kSplit, min_ttl_, max_ttl_)) {
    const auto split = static_cast<uint8_t>(split_);
    blocks_.assign(targets.size(),
                   {split, static_cast<uint8_t>(split_ + 1), split});
    ring_.reserve(targets.size());
    const Permutation order(targets.size(), options.seed);
    for (size_t i = 0; i < targets.size(); ++i) {
      ring_.push_back(static_cast<uint32_t>(order(i)));
    }
  }

  size_t Next(Instant now, std::span<Probe> out) override {
    size_t written = 0;
    while (written < out.size() && !ring_.empty()) {
      if (at_ == ring_.size() && !NextRound(now)) break;
      if (ring_.empty()) break;
      if (at_ == 0 && !back_is_due_) round_ = now;
      written += Visit(out[written]);
    }
    sent_ += written;
    return written;
  }

  void Observe(std::span<const Reply> replies) override {
    for (const Reply& reply : replies) {
      const auto index = targets_.Find(reply.probe.target);
      const int ttl = reply.probe.ttl.value();
      if (!index || ttl < min_ttl_ || ttl > max_ttl_) continue;
      Learn(reply, ttl, blocks_[*index]);
    }
  }

  bool done() const override { return ring_.empty(); }

  uint64_t planned() const override {
    return sent_ + ring_.size() * static_cast<uint64_t>(max_ttl_ + 1);
  }

 private:
  // The control block of a target.
  struct Block {
    uint8_t back;     // Next TTL on the way back.
    uint8_t forward;  // Next TTL forward.
    uint8_t horizon;  // The last to ask for forward; 0: the target answered.
  };

  // Whether one has begun: not before the last is a second old.
  bool NextRound(Instant now) {
    if (kept_ != 0 && now - round_ < kRound) return false;
    ring_.resize(kept_);
    at_ = kept_ = 0;
    return true;
  }

  // One probe of the two that a round has for a target: forward, then back.
  size_t Visit(Probe& out) {
    const uint32_t target = ring_[at_];
    Block& block = blocks_[target];
    if (!back_is_due_) {
      back_is_due_ = true;
      visited_ = false;
      if (block.forward <= block.horizon) {
        visited_ = true;
        return Write(target, block.forward++, out);
      }
    }
    size_t written = 0;
    if (block.back >= min_ttl_) written = Write(target, block.back--, out);
    back_is_due_ = false;
    if (visited_ || written != 0) ring_[kept_++] = target;
    ++at_;
    return written;
  }

  size_t Write(uint32_t target, int ttl, Probe& out) {
    out = {targets_[target], Ttl(static_cast<uint8_t>(ttl)), FlowId(0)};
    return 1;
  }

  void Learn(const Reply& reply, int ttl, Block& block) {
    if (reply.kind != ReplyKind::kHop) {
      block.horizon = 0;
      return;
    }
    if (ttl <= split_ && !routers_.insert(reply.responder).second) {
      block.back = 0;
    }
    if (block.horizon == 0) return;
    const int horizon = std::min(ttl + kGap, max_ttl_);
    block.horizon = std::max(block.horizon, static_cast<uint8_t>(horizon));
  }

  const TargetSet& targets_;
  const int min_ttl_;
  const int max_ttl_;
  const int split_;
  std::vector<Block> blocks_;
  std::vector<uint32_t> ring_;  // Targets that have somewhere to go,
  size_t at_ = 0;               // the one whose turn it is,
  size_t kept_ = 0;             // and how many before it go on.
  bool back_is_due_ = false;    // It has had its turn forward,
  bool visited_ = false;        // and sent something.
  Instant round_{};
  uint64_t sent_ = 0;
  absl::flat_hash_set<IpAddress> routers_;
};

absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl) {
    return absl::InvalidArgumentError(absl::StrCat(
        "flashroute TTLs ", options.min_ttl.value(), " to ",
        options.max_ttl.value(), ": 1 <= first <= last is needed"));
  }
  return std::make_unique<FlashRoute>(targets, options);
}

const Register<StrategyModule> kFlashRoute({"flashroute",
                                            "FlashRoute-16, for comparison",
                                            &Make});

}  // namespace
}  // namespace fathom
