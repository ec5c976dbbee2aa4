#ifndef FATHOM_SRC_LINKS_LINK_STATS_H_
#define FATHOM_SRC_LINKS_LINK_STATS_H_

#include <array>
#include <cstdint>

namespace fathom {

// A hole is a cell without an answer between two routers of one path that
// answered, at most six of them in a row. Its router is silent, or the probe or
// its answer was lost. Nothing on that path tells which, but others do: where
// any path shows an answer as many hops before the second of the two routers,
// somebody answers there, and this answer was probably lost.
//
// The estimate errs both ways. It is too high where routers stand side by side
// and some of them are silent: the silence of one is taken for the loss of
// another's answer. It is too low where a router answered none of all paths, as
// one with a tight limit near us may; and longer holes, and those at the end of
// a path, are not seen at all.
struct HoleCounts {
  struct AtTtl {
    uint64_t answered = 0;  // Cells that stand at an end of a link or gap.
    uint64_t lost = 0;      // Holes: probably so,
    uint64_t silent = 0;    // or not.

    friend bool operator==(const AtTtl&, const AtTtl&) = default;
  };
  std::array<AtTtl, 256> ttls{};

  AtTtl Total() const;

  friend bool operator==(const HoleCounts&, const HoleCounts&) = default;
};

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

  HoleCounts holes{};

  uint64_t spilled_runs = 0;  // Times that links went to the temporary file.

  // Probes that were answered.
  uint64_t answered() const { return cells + repeats; }

  friend bool operator==(const LinkStats&, const LinkStats&) = default;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_LINK_STATS_H_
