#ifndef FATHOM_SRC_LINKS_LINK_STATS_H_
#define FATHOM_SRC_LINKS_LINK_STATS_H_

#include <cstdint>

namespace fathom {

// What became of the replies of a scan on their way to links. A cell is a
// (target, flow, ttl) with at least one reply; a path is a (target, flow) with
// at least one cell. What each case means is in link_builder.h.
//
// Laws: replies == cells + repeats + duplicates; the distinct rows are never
// more than the observations; of its ends, each path has at most one.
struct LinkStats {
  uint64_t replies = 0;
  uint64_t cells = 0;
  uint64_t repeats = 0;     // Replies of a cell to further probes.
  uint64_t duplicates = 0;  // Further replies to one probe.
  uint64_t paths = 0;

  uint64_t links = 0;         // Rows: asserted links.
  uint64_t gaps = 0;          // Rows: pairs with silence between them.
  uint64_t observations = 0;  // Of both, before equal ones were merged.

  // Cells that make no link.
  uint64_t self_edges = 0;       // The responder of the TTL before, again.
  uint64_t ambiguous_cells = 0;  // More than one responder, or kind.
  uint64_t unusable_cells = 0;   // The responder can be no router's address.
  uint64_t cells_after_end = 0;  // Further out than the path's end.

  // How paths ended.
  uint64_t destinations = 0;  // The target answered.
  uint64_t unreachable = 0;   // A router refused.
  uint64_t aliases = 0;       // Another address answered for the target.
  uint64_t target_hops = 0;   // The TTL ran out at the target's own address.
  uint64_t loops = 0;         // The path came back on itself.

  uint64_t spilled_runs = 0;  // Times that links went to the temporary file.

  // Probes that were answered.
  uint64_t answered() const { return cells + repeats; }

  friend bool operator==(const LinkStats&, const LinkStats&) = default;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_LINK_STATS_H_
