#ifndef FATHOM_SRC_STRATEGY_STOPPING_RULE_H_
#define FATHOM_SRC_STRATEGY_STOPPING_RULE_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fathom {

// When to stop looking for more next hops of a balancer: the stopping rule of
// the Multipath Detection Algorithm (Augustin et al. 2007).
//
// If a balancer had k equally likely next hops, n flows would miss one of them
// with a probability of at most k ((k - 1) / k)^n. So with k - 1 seen, as many
// flows are enough as bring that below epsilon: 6, 11, 16, 21, 27, ... at 0.05
// to rule out 2, 3, 4, 5, 6, ...

// The least n with k ((k - 1) / k)^n <= epsilon, 1 at least.
// REQUIRES: k >= 2; epsilon > 0.
inline uint32_t FlowsToRuleOut(uint32_t k, double epsilon) {
  if (epsilon >= k) return 1;
  const double flows = std::log(epsilon / k) / std::log1p(-1.0 / k);
  return std::max(1U, static_cast<uint32_t>(std::ceil(flows - 1e-9)));
}

// The same, from a table where k is small.
class StoppingRule {
 public:
  // REQUIRES: epsilon > 0.
  explicit StoppingRule(double epsilon) : epsilon_(epsilon) {
    for (uint32_t k = 2; k < table_.size(); ++k) {
      table_[k] = FlowsToRuleOut(k, epsilon);
    }
  }

  double epsilon() const { return epsilon_; }

  // How many flows are enough if they showed `seen` next hops.
  // REQUIRES: seen >= 1.
  uint32_t Enough(uint32_t seen) const {
    const size_t k = size_t{seen} + 1;
    return k < table_.size() ? table_[k] : FlowsToRuleOut(seen + 1, epsilon_);
  }

 private:
  double epsilon_;
  std::array<uint32_t, 64> table_{};
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_STOPPING_RULE_H_
