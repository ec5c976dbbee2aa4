#ifndef FATHOM_SRC_TRACE_FORKS_H_
#define FATHOM_SRC_TRACE_FORKS_H_

#include <optional>
#include <vector>

#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/trace/tracer.h"

namespace fathom {

// Where the flows of a trace part, and where they meet again: a tree for each
// such place, its lines in the order of reading.
struct ForkLine {
  Ttl ttl{};
  std::optional<IpAddress> address{};  // None: silent there.
  std::vector<FlowId> flows{};         // That pass, ascending.
  // By branching above this line, outermost first: whether the branch is the
  // last of its siblings. A line that only goes on has those of the one above.
  std::vector<bool> last_of{};
  bool begins_branch = false;
};

// Before and after the lines with branches stand the hops where all flows
// meet, if they answer. Paths whose flows never part have no forks.
std::vector<std::vector<ForkLine>> ForksOf(const Tracer& tracer);

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_FORKS_H_
