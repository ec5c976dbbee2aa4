#ifndef FATHOM_SRC_STRATEGY_TRACE_H_
#define FATHOM_SRC_STRATEGY_TRACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fathom/probe.h"
#include "src/strategy/balancers.h"
#include "src/strategy/base_walk.h"
#include "src/strategy/flow_table.h"
#include "src/strategy/sibling_flows.h"

namespace fathom {

// A target under way: first its base walk, then rounds in which more flows are
// asked, until the balancers on its path have been sampled often enough. It is
// looked at only when nothing of it is on the way.
//
// About 300 bytes, and 200 a flow with 32 TTLs; mostly there are ten.
struct Trace {
  Trace(uint32_t of, size_t start, size_t columns)
      : target(of), table(columns), walk(start, columns) {}

  uint32_t target;  // By index.
  FlowTable table;  // Row 0 is the target's own address, flow 0.
  BaseWalk walk;
  bool walking = true;
  std::array<size_t, 2> walk_columns{};  // To be asked yet, the last one first.
  size_t to_walk = 0;

  // Once the walk is over: the columns of which it tells, and what is thought
  // to be at the columns before, from other targets' walks.
  size_t first = 0;
  size_t last = 0;
  std::vector<Node> expected{};
  // The columns where other flows may be elsewhere, as the path of the base
  // flow is in a diamond there.
  uint64_t branches = 0;

  SiblingFlows::Position position{};
  std::vector<std::pair<Node, Node>> begun{};  // See Balancers::Begin().
  // Cells that were asked again, as a balancer there may go by the packet.
  struct Repeat {
    size_t row;
    size_t column;
    uint8_t times;
    bool waiting;
  };
  std::vector<Repeat> repeats{};
  uint32_t waiting = 0;  // Probes that have not been answered or given up.
  uint32_t sent = 0;
  bool ready = false;  // Queued to be looked at.

  // The node that all flows are thought to pass at a column; 0 if they do not,
  // or if it is not known. One that answered, if any did: where others did not,
  // their packets may have been lost.
  Node SoleNode(size_t column) const {
    const uint64_t bit = FlowTable::Bit(column);
    if ((branches & bit) != 0) return 0;
    Node sole = 0;
    bool silent = false;
    for (size_t r = 0; r < table.rows(); ++r) {
      const Node node = table.ReadNode(r, column);
      if (node == 0 || node == sole) continue;
      const bool none = (table.row(r).silent & bit) != 0;
      if (sole != 0 && none == silent) return 0;
      if (sole != 0 && none) continue;
      sole = node;
      silent = none;
    }
    return sole;
  }
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_TRACE_H_
