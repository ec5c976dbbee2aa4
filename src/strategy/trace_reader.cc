#include "src/strategy/trace_reader.h"

#include <bit>

#include "src/base/hash.h"

namespace fathom {

Node NextHop(const FlowTable& table, Node near, size_t column) {
  for (size_t r = 0; r < table.rows(); ++r) {
    if (table.ReadNode(r, column) != near) continue;
    const Node far = table.ReadNode(r, column + 1);
    if (far != 0) return far;
  }
  return 0;
}

void TraceReader::ReadWalk(Trace& trace) {
  trace.walking = false;
  FlowTable::Row& base = trace.table.row(0);
  trace.first = trace.walk.first();
  trace.last = trace.walk.last();
  // What is behind the last router is no part of the path.
  base.fresh &= (FlowTable::Bit(trace.last) << 1) - 1;
  ReadRound(trace);
  Expect(trace);
}

void TraceReader::Expect(Trace& trace) {
  trace.expected.assign(trace.first, 0);
  Node node = trace.table.node(0, trace.first);
  for (size_t c = trace.first; c > 0; --c) {
    node = balancers_.Before(node);
    if (node == 0) break;
    trace.expected[c - 1] = node;
  }
  Vary(trace);
  // Down the path: branches begin at a balancer, and end where several ways
  // come together.
  bool branch = false;
  Node near = 0;
  for (size_t c = 0; c <= trace.last; ++c) {
    const Node far =
        c < trace.first ? trace.expected[c] : trace.table.node(0, c);
    if (near != 0 && far != 0 && balancers_.Knows(near, far)) {
      if (balancers_.Width(near, far) > 1) {
        branch = true;
      } else if (balancers_.HasSeveralBefore(far)) {
        branch = false;
      }
    }
    if (branch) trace.branches |= FlowTable::Bit(c);
    near = far;
  }
}

// The walks always show the same branches of a balancer that many targets
// share. Each target shall look after others, up to where they come together.
void TraceReader::Vary(Trace& trace) {
  const std::vector<Node> chain = trace.expected;
  bool varied = false;
  for (size_t c = 1; c < trace.first; ++c) {
    const Node near = chain[c - 1], far = chain[c];
    if (near == 0 || far == 0 || !balancers_.Knows(near, far)) continue;
    const bool wide = balancers_.Width(near, far) > 1;
    const Node from = trace.expected[c - 1];
    Node onto = far;
    if (varied && (wide || !balancers_.HasSeveralBefore(far))) {
      if (const Node after = balancers_.After(from); after != 0) onto = after;
    }
    if (balancers_.Knows(from, onto)) {
      onto = balancers_.Pick(from, onto, Mix(uint64_t{trace.target} << 8 | c));
    }
    trace.expected[c] = onto;
    varied = onto != far;
  }
}

void TraceReader::ReadRound(Trace& trace) {
  for (const auto& [near, far] : trace.begun) balancers_.End(near, far);
  trace.begun.clear();
  for (size_t r = 0; r < trace.table.rows(); ++r) {
    FlowTable::Row& row = trace.table.row(r);
    while (row.fresh != 0) {
      const auto column = static_cast<size_t>(std::countr_zero(row.fresh));
      ReadCell(trace, r, column);
      row.fresh &= row.fresh - 1;
    }
  }
}

void TraceReader::ReadCell(Trace& trace, size_t row, size_t column) {
  FlowTable& table = trace.table;
  const bool silent = (table.row(row).silent & FlowTable::Bit(column)) != 0;
  if (silent) NameSilent(trace, row, column);
  if (column > 0) {
    if (table.Known(row, column - 1)) {
      Link(trace, row, column);
    } else if (const Node near = trace.SoleNode(column - 1); near != 0) {
      Presume(trace, row, column, near);
    } else if (const Node far = table.node(row, column);
               far != 0 && !silent && balancers_.Before(far) == 0) {
      // No way to it is known at all.
      table.row(row).loose |= FlowTable::Bit(column);
    }
  }
  const bool next_read =
      column + 1 < table.columns() && table.Known(row, column + 1) &&
      (table.row(row).fresh & FlowTable::Bit(column + 1)) == 0;
  if (next_read && column < trace.last) Link(trace, row, column + 1);
}

void TraceReader::NameSilent(Trace& trace, size_t row, size_t column) {
  // Where nothing is known of the hop before, it is nothing.
  Node near = 0;
  if (column > 0) {
    near = trace.table.Known(row, column - 1)
               ? trace.table.node(row, column - 1)
               : trace.SoleNode(column - 1);
  }
  trace.table.SetNode(row, column, near != 0 ? Silent(near) : 0);
}

// The hop before was not asked, but all flows are thought to pass `near`.
void TraceReader::Presume(Trace& trace, size_t row, size_t column, Node near) {
  FlowTable& table = trace.table;
  const Node next = NextHop(table, near, column - 1);
  const Node far = table.node(row, column);
  const bool silent = (table.row(row).silent & FlowTable::Bit(column)) != 0;
  if (silent) balancers_.Add(near, far);
  if (silent && next != 0) balancers_.Join(near, far, next);
  if (far == 0 ? next != 0 : silent) {
    CountOnce(trace, row, column, near, far == 0 ? next : far);
  } else if (next != 0 && far != 0 && balancers_.Together(near, far, next)) {
    CountOnce(trace, row, column, near, far);
  } else if (far != 0) {
    table.row(row).loose |= FlowTable::Bit(column);
  }
}

// The flow went from the node before `column` to the one at it.
void TraceReader::Link(Trace& trace, size_t row, size_t column) {
  FlowTable& table = trace.table;
  const Node near = table.node(row, column - 1);
  Node far = table.node(row, column);
  if (near == 0) return;
  const Node other = NextHop(table, near, column - 1);
  if (far == 0) {
    // The flow ended here: it is spent all the same.
    if (other != 0 && balancers_.Knows(near, other)) {
      CountOnce(trace, row, column, near, other);
    }
    return;
  }
  balancers_.Add(near, far);
  if (other != far && balancers_.Knows(near, other)) {
    balancers_.Join(near, far, other);
  }
  CountOnce(trace, row, column, near, far);
}

void TraceReader::CountOnce(Trace& trace, size_t row, size_t column, Node near,
                            Node far) {
  FlowTable::Row& flow = trace.table.row(row);
  if ((flow.counted & FlowTable::Bit(column)) != 0) return;
  flow.counted |= FlowTable::Bit(column);
  balancers_.CountFlow(near, far);
}

}  // namespace fathom
