#ifndef FATHOM_SRC_STRATEGY_SIBLING_FLOWS_H_
#define FATHOM_SRC_STRATEGY_SIBLING_FLOWS_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "fathom/probe.h"
#include "fathom/strategy.h"
#include "fathom/targets.h"

namespace fathom {

// The flows of a target, beside its first one. Balancers that hash addresses
// only tell packets apart by the address, so other addresses of the target's
// /24 come first, in an order that looks random, and other flow numbers only
// once those are used up.
//
// Of IPv6 it is the /120 of the target in whose stead addresses are varied: far
// more than enough, and it asks nothing of other networks than the target's.
//
// The siblings of a /24 belong to its first target, so that no two targets ask
// the same. Other targets, and the first and last address, are none.
class SiblingFlows {
 public:
  // Of all targets, there are flow numbers from 0 up to this.
  static constexpr uint16_t kFlows = 1024;

  // `targets` and `options` must outlive this.
  SiblingFlows(const TargetSet& targets, const StrategyOptions& options)
      : targets_(targets), options_(options) {}

  // How far the flows of a target have been dealt.
  struct Position {
    uint16_t sibling = 0;
    uint16_t flow = 1;
  };

  // The next flow of a target; nullopt if there are no more.
  std::optional<std::pair<IpAddress, FlowId>> Take(size_t target,
                                                   Position& position) const;

  // Whose target, by index, a probe to `address` may be for: its own, else that
  // of the first of its /24.
  std::optional<size_t> OwnerOf(const IpAddress& address) const;

 private:
  std::optional<IpAddress> TakeSibling(size_t target, Position& position) const;

  const TargetSet& targets_;
  const StrategyOptions& options_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_SIBLING_FLOWS_H_
