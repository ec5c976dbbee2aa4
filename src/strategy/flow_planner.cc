#include "src/strategy/flow_planner.h"

#include <algorithm>
#include <bit>

#include "src/base/hash.h"
#include "src/strategy/trace_reader.h"

namespace fathom {

size_t FlowPlanner::Plan(Trace& trace, std::span<Probe> out) {
  trace_ = &trace;
  out_ = out;
  written_ = 0;
  strewn_ = false;
  spent_ = trace.sent >= parts_.prefix_probes;
  AskLoose();
  for (size_t c = 0; c < trace.last && !full() && !spent_; ++c) {
    // Half of what a target may send is kept for routers that no other target
    // would ask about.
    const bool shared = c < trace.first;
    if (shared && trace.sent >= parts_.prefix_probes / 2) continue;
    NodesAt(c);
    nodes_.empty() ? PlanExpected(c) : PlanColumn(c);
  }
  return written_;
}

// False if it cannot be asked now, or never.
bool FlowPlanner::Ask(size_t r, size_t column) {
  if (trace_->sent >= parts_.prefix_probes) spent_ = true;
  if (full() || spent_) return false;
  FlowTable::Row& row = trace_->table.row(r);
  row.asked |= FlowTable::Bit(column);
  out_[written_++] = {row.address,
                      Ttl(static_cast<uint8_t>(parts_.min_ttl + column)),
                      row.flow};
  ++trace_->sent;
  ++trace_->waiting;
  return true;
}

// Adds it if there is none; false if there are no more flows.
bool FlowPlanner::HasRow(size_t row) {
  if (row < trace_->table.rows()) return true;
  const auto flow = parts_.flows.Take(trace_->target, trace_->position);
  if (!flow) return false;
  trace_->table.AddRow(flow->first, flow->second);
  return true;
}

void FlowPlanner::Begin(Node near, Node far) {
  parts_.balancers.Begin(near, far);
  trace_->begun.emplace_back(near, far);
}

void FlowPlanner::AskLoose() {
  for (size_t r = 0; r < trace_->table.rows(); ++r) {
    FlowTable::Row& row = trace_->table.row(r);
    while (row.loose != 0) {
      const auto column = static_cast<size_t>(std::countr_zero(row.loose));
      const bool strewn = StrewnAt(column) || StrewnAt(column - 1);
      if (!strewn && !trace_->table.Asked(r, column - 1) &&
          !Ask(r, column - 1)) {
        return;
      }
      row.loose &= row.loose - 1;
    }
  }
}

void FlowPlanner::NodesAt(size_t column) {
  nodes_.clear();
  const FlowTable& table = trace_->table;
  for (size_t r = 0; r < table.rows(); ++r) {
    const Node node = table.ReadNode(r, column);
    if (node != 0 &&
        std::find(nodes_.begin(), nodes_.end(), node) == nodes_.end()) {
      nodes_.push_back(node);
    }
  }
}

// Nothing was asked here: other targets' walks tell what is to be expected. Of
// the next hops of a wide balancer some are tried.
void FlowPlanner::PlanExpected(size_t column) {
  if (column >= trace_->first) return;
  Balancers& balancers = parts_.balancers;
  const Node near = trace_->expected[column];
  const Node far = column + 1 < trace_->first
                       ? trace_->expected[column + 1]
                       : trace_->table.node(0, column + 1);
  if (near == 0 || strewn_) return;
  const Node before = column > 0 ? trace_->expected[column - 1] : 0;
  if (before == 0 || !balancers.Knows(before, near)) {
    AskThrough(near, far, column);
    return;
  }
  strewn_ = balancers.Strewn(before, near) || balancers.IsStrewn(near);
  if (strewn_ || AskThrough(near, far, column)) return;
  const uint32_t tries = std::min(balancers.Width(before, near), kTries);
  for (uint32_t i = 1; i < tries; ++i) {
    const uint64_t random = Mix((uint64_t{trace_->target} << 8 | column) + i);
    const Node other = balancers.Pick(before, near, random);
    if (AskThrough(other, balancers.After(other), column)) return;
  }
}

// Asks flows that will come to `near`, or near by, if it misses some. False if
// it misses none.
bool FlowPlanner::AskThrough(Node near, Node far, size_t column) {
  Balancers& balancers = parts_.balancers;
  if (far == 0 || !balancers.Knows(near, far)) return false;
  uint32_t missing = std::min(balancers.Missing(near, far), kAtOnce);
  if (missing == 0) return false;
  for (size_t r = 1; missing > 0 && HasRow(r); ++r) {
    if (trace_->table.Asked(r, column)) continue;
    if (!Ask(r, column)) break;
    Begin(near, far);
    --missing;
    if (!trace_->table.Asked(r, column + 1) && !Ask(r, column + 1)) break;
  }
  return true;
}

void FlowPlanner::PlanColumn(size_t column) {
  const Node sole = trace_->SoleNode(column);
  if (sole == 0 && nodes_.size() > 1 && column > 0 &&
      (StrewnAt(column - 1) || StrewnAt(column))) {
    // The branches have not come together yet.
    for (const Node node : nodes_) parts_.balancers.SetStrewn(node);
    return;
  }
  uint32_t missing = 0;
  for (const Node near : nodes_) {
    missing += PlanNode(near, column, near == sole);
    if (full() || spent_) return;
  }
  if (missing > 0) AskMoreFlows(column, std::min(missing, kFlowsAtOnce));
}

bool FlowPlanner::StrewnAt(size_t column) const {
  const FlowTable& table = trace_->table;
  for (size_t r = 0; r < table.rows(); ++r) {
    const Node node = table.ReadNode(r, column);
    if (node != 0 && parts_.balancers.IsStrewn(node)) return true;
  }
  return false;
}

// Returns how many more flows must come to `near`.
uint32_t FlowPlanner::PlanNode(Node near, size_t column, bool sole) {
  // A balancer whose next hop has several next hops: a mesh, or it goes by the
  // packet, and there is nothing to be enumerated.
  if (const Node before = Before(near, column); before != 0) {
    Balancers& balancers = parts_.balancers;
    const bool several = balancers.HasSeveralAfter(near);
    if (several && AskAgain(before, near, column)) return 0;
    if (balancers.Strewn(before, near)) return 0;
  }
  const FlowTable& table = trace_->table;
  const Node far = NextHop(table, near, column);
  if (far == 0) {
    // One flow shall tell where it leads.
    for (size_t r = 0; r < table.rows(); ++r) {
      if (table.ReadNode(r, column) != near) continue;
      if (table.Asked(r, column + 1)) return 0;
    }
    AskAfter(near, 0, column, 1);
    return 0;
  }
  uint32_t missing = std::min(parts_.balancers.Missing(near, far), kAtOnce);
  if (missing > 0) missing = AskAfter(near, far, column, missing);
  if (missing > 0 && sole) missing = AskPresumed(near, far, column, missing);
  if (missing > 0 && !sole) {
    if (Elusive(near, column)) return 0;
    // Of those that are asked, this many will probably come here.
    const auto nodes = static_cast<uint32_t>(nodes_.size());
    for (uint32_t i = 0; i < missing; i += nodes) Begin(near, far);
  }
  return missing;
}

// The node from which some flow came to `node`, of this target if there is one;
// 0 if none was seen to.
Node FlowPlanner::Before(Node node, size_t column) const {
  const FlowTable& table = trace_->table;
  for (size_t r = 0; column > 0 && r < table.rows(); ++r) {
    if (table.ReadNode(r, column) != node) continue;
    const Node before = table.ReadNode(r, column - 1);
    if (before != 0 && parts_.balancers.Knows(before, node)) return before;
  }
  const Node before = parts_.balancers.Before(node);
  return before != 0 && parts_.balancers.Knows(before, node) ? before : 0;
}

// Repeats a probe that got to `near` from `before`, where it is not known yet
// whether `before` goes by the packet. One at a time, since packets that leave
// at one instant may be treated alike.
// False if that is not to be waited for.
bool FlowPlanner::AskAgain(Node before, Node near, size_t column) {
  if (parts_.balancers.MissingRepeats(before, near) == 0) return false;
  const FlowTable& table = trace_->table;
  const auto fits = [&](size_t r) {
    return (table.row(r).silent & FlowTable::Bit(column)) == 0 &&
           table.ReadNode(r, column) == near &&
           table.ReadNode(r, column - 1) == before;
  };
  for (Trace::Repeat& repeat : trace_->repeats) {
    if (repeat.column != column) continue;
    if (repeat.waiting) return true;
    if (repeat.times == kMaxRepeats || !fits(repeat.row)) return false;
    if (!Ask(repeat.row, column)) return false;
    repeat.waiting = true;
    ++repeat.times;
    return true;
  }
  for (size_t r = 0; r < table.rows(); ++r) {
    if (!fits(r)) continue;
    if (!Ask(r, column)) return false;
    trace_->repeats.push_back({r, column, 1, true});
    return true;
  }
  return false;
}

// Whether flows would come to `near` too seldom: it is there for a lost reply,
// or stood there before a route changed.
bool FlowPlanner::Elusive(Node near, size_t column) const {
  const FlowTable& table = trace_->table;
  size_t asked = 0;
  for (size_t r = 0; r < table.rows(); ++r) {
    if (table.Asked(r, column)) ++asked;
    const bool silent = (table.row(r).silent & FlowTable::Bit(column)) != 0;
    if (silent && table.ReadNode(r, column) == near) return true;
  }
  return asked >= nodes_.size() * kFlowsForEach;
}

// Asks on the flows that were seen at `near`. Returns how many are missing yet.
uint32_t FlowPlanner::AskAfter(Node near, Node far, size_t column,
                               uint32_t missing) {
  const FlowTable& table = trace_->table;
  for (size_t r = 0; r < table.rows() && missing > 0; ++r) {
    if (table.ReadNode(r, column) != near) continue;
    if (table.Asked(r, column + 1)) continue;
    if (!Ask(r, column + 1)) return 0;
    if (far != 0) Begin(near, far);
    --missing;
  }
  return missing;
}

uint32_t FlowPlanner::AskPresumed(Node near, Node far, size_t column,
                                  uint32_t missing) {
  for (size_t r = 1; missing > 0 && HasRow(r); ++r) {
    const FlowTable& table = trace_->table;
    // Also one that is on its way there: it will likely show the same.
    if (table.Known(r, column) || table.Asked(r, column + 1)) continue;
    if (!Ask(r, column + 1)) return 0;
    Begin(near, far);
    --missing;
  }
  return 0;
}

// Which of the nodes at `column` they come to is not known beforehand; nor is
// it of those that are on the way.
void FlowPlanner::AskMoreFlows(size_t column, uint32_t missing) {
  for (size_t r = 0; r < trace_->table.rows(); ++r) {
    const bool pending =
        trace_->table.Asked(r, column) && !trace_->table.Known(r, column);
    if (pending && missing > 0) --missing;
  }
  for (size_t r = 1; missing > 0 && HasRow(r); ++r) {
    if (trace_->table.Asked(r, column)) continue;
    if (!Ask(r, column)) return;
    --missing;
  }
}

}  // namespace fathom
