#ifndef FATHOM_SRC_STRATEGY_TRACE_READER_H_
#define FATHOM_SRC_STRATEGY_TRACE_READER_H_

#include <cstddef>

#include "src/strategy/balancers.h"
#include "src/strategy/trace.h"

namespace fathom {

// Turns what came back to one target's probes into evidence about balancers.
//
// A link needs both ends from one flow. A sample does not: where all flows of a
// target pass one router, what any flow shows at the next hop is a sample of
// that router, though the flow was not asked for the router itself. Should it
// show something new, then it is.
class TraceReader {
 public:
  // `balancers` must outlive this.
  explicit TraceReader(Balancers& balancers) : balancers_(balancers) {}

  // When the base walk is over.
  void ReadWalk(Trace& trace);

  // When a round of other flows is over.
  void ReadRound(Trace& trace);

 private:
  void Expect(Trace& trace);
  void Vary(Trace& trace);
  void ReadCell(Trace& trace, size_t row, size_t column);
  void NameSilent(Trace& trace, size_t row, size_t column);
  void Presume(Trace& trace, size_t row, size_t column, Node near);
  void Link(Trace& trace, size_t row, size_t column);
  void CountOnce(Trace& trace, size_t row, size_t column, Node near, Node far);

  Balancers& balancers_;
};

// What some flow of the target showed after `near`, which is at `column`; 0 if
// none did.
Node NextHop(const FlowTable& table, Node near, size_t column);

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_TRACE_READER_H_
