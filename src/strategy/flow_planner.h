#ifndef FATHOM_SRC_STRATEGY_FLOW_PLANNER_H_
#define FATHOM_SRC_STRATEGY_FLOW_PLANNER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fathom/probe.h"
#include "src/strategy/balancers.h"
#include "src/strategy/sibling_flows.h"
#include "src/strategy/trace.h"

namespace fathom {

// Says what else to ask of a target's /24, so that each balancer on its path
// gets as many samples as it misses. Flows are taken in order, so what is asked
// of one flow is a stretch of TTLs without holes.
class FlowPlanner {
 public:
  // A cell is repeated so often at most.
  static constexpr uint8_t kMaxRepeats = 8;

  struct Parts {
    Balancers& balancers;
    const SiblingFlows& flows;
    uint32_t prefix_probes;
    size_t min_ttl;
  };

  explicit FlowPlanner(const Parts& parts) : parts_(parts) {}

  // Writes probes and returns how many; none: the target needs no more. As many
  // as there is room for: the rest is written when it is called again.
  // REQUIRES: out is not empty.
  size_t Plan(Trace& trace, std::span<Probe> out);

 private:
  // So many flows are asked at a time at a column, at most.
  static constexpr uint32_t kFlowsAtOnce = 64;

  // So many next hops of a balancer that other targets showed are looked at.
  static constexpr uint32_t kTries = 8;

  // So many samples of one balancer are asked for at a time, at most.
  static constexpr uint32_t kAtOnce = 16;

  // So many flows are asked for each of the nodes at a column, at most, for the
  // sake of those that too few came to. It takes about ten.
  static constexpr size_t kFlowsForEach = 18;

  bool full() const { return written_ == out_.size(); }
  bool Ask(size_t row, size_t column);
  bool HasRow(size_t row);
  void Begin(Node near, Node far);
  void AskLoose();
  void NodesAt(size_t column);
  void PlanExpected(size_t column);
  bool AskThrough(Node near, Node far, size_t column);
  void PlanColumn(size_t column);
  bool StrewnAt(size_t column) const;
  uint32_t PlanNode(Node near, size_t column, bool sole);
  Node Before(Node node, size_t column) const;
  bool AskAgain(Node before, Node near, size_t column);
  bool Elusive(Node near, size_t column) const;
  uint32_t AskAfter(Node near, Node far, size_t column, uint32_t missing);
  uint32_t AskPresumed(Node near, Node far, size_t column, uint32_t missing);
  void AskMoreFlows(size_t column, uint32_t missing);

  const Parts parts_;
  Trace* trace_ = nullptr;
  std::span<Probe> out_;
  size_t written_ = 0;
  bool strewn_ = false;      // At a column before, as expected.
  bool spent_ = false;       // No more may be asked of this target.
  std::vector<Node> nodes_;  // At the column in hand, each once.
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_FLOW_PLANNER_H_
