#ifndef FATHOM_SRC_LINKS_LINK_BUILDER_H_
#define FATHOM_SRC_LINKS_LINK_BUILDER_H_

#include <cstddef>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/links/link_stats.h"
#include "src/links/path_builder.h"

namespace fathom {

// Reads links off a path: the one place that decides what a scan may assert.
// When in doubt no link is made, since a missing link can be found by the next
// scan and a false one is never found out.
//
// Asserted, each with one responder in either cell:
//   * hops at TTL h and h + 1 of one (target, flow);
//   * a hop and the target's own answer at h + 1 (kLinkToDestination);
//   * a hop and a refusal at h + 1 (kLinkUnreachable: the refusing router may
//     be the one at h, speaking from another interface).
//
// Stored as a gap, not asserted: two such answers with only silence between
// them. Silence is no reply; whether a probe was sent is not known here.
//
// A walk starts at the least TTL and ends
//   * at the target's first answer. A target answers every higher TTL as well,
//     and a hop still further out is a changed route or a forged packet;
//   * at a refusal, since nothing can come from behind it;
//   * before an answer meant as the target's from another address: which of
//     the addresses stands next to the last hop is not known;
//   * before a hop with the target's own address. A router does not let the
//     TTL of a probe to itself run out, so this is a device that rewrites
//     addresses, and what is behind it is rewritten as well;
//   * before an address that the path has shown alone at TTL h - 2 or less: a
//     forwarding loop, or a route that changed on the way. All links of the
//     path get kLinkInLoop, as any of them may owe itself to the change.
//
// Stepped over, so that no link and no gap crosses it:
//   * a cell with several responders, or with one in several roles: replies of
//     per-packet balancers, duplicated packets or forgery. Any reply in it that
//     would end the path does. But where the answers changed once and were
//     alike to three probes or more since, a route has changed: the cell counts
//     as the last of its responders, for links that are confirmed;
//   * a responder that can be no router's address: unspecified, loopback,
//     multicast, broadcast. Such sources come from broken or forging devices,
//     and would join routers that never met.
//
// The same responder at h and h + 1 makes no link to itself; the walk goes on
// from h + 1, which is where it stands if the router before it forwards what
// it should have dropped. Three in a row are a loop by the rule above.
//
// kLinkWideInterval marks pairs whose probes were sent further apart than the
// limit, as the route may have changed meanwhile. A reply without a known
// round-trip time counts as sent when it was received.
//
// kLinkUnsteady marks the links of a path from two hops before its first cell
// with several responders on: a balancer that goes by the packet, or a route
// that changed, may have joined others of its hops wrongly. Only a scan that
// repeats its probes sees such cells. Confirmed links are not marked for what
// may be a change of route, only for answers that went to and fro.
//
// kLinkInTunnel marks links over which the probe came under an MPLS label: the
// far router says so (RFC 4950), or quotes a TTL that is above 1 and one more
// than the near one's, as only a probe does whose own TTL rests while the
// label's runs down. kLinkAcrossTunnel marks those whose far end stands behind
// a tunnel that hid its routers: it names labels with TTL to spare.
//
// A link is confirmed by a path where either cell answered two probes or more
// alike and the times of the two overlap: then there was a time at which both
// routers stood there, whatever changed before or after. A balancer that goes
// by the packet and has two branches looks so once in 4 times, with three
// answers from either cell once in 16. Where the scan took a second look
// (--verify), kLinkUnverified marks what no path confirms.
//
// Not excluded, as the packets do not tell:
//   * private addresses (RFC 1918, 6598) are kept, here and in the hops. They
//     are true on the path, but two routers may share one: who joins links
//     into a graph must not join across them blindly;
//   * a tunnel that hides its routers, and whose end names no labels, shows its
//     ends as neighbours;
//   * a per-packet balancer with one reply a cell looks like a single path;
//   * routers may answer from an interface off the path.
// Never combined: replies to different flows or targets.
class LinkBuilder {
 public:
  // Counts observations, cells without links, and ends of paths in `stats`,
  // which outlives this. `verify`: mark what is not confirmed.
  LinkBuilder(Nanos max_interval, LinkStats& stats, bool verify = false)
      : max_interval_(max_interval), stats_(stats), verify_(verify) {}

  // Appends what `path` shows to `links`: at most one link for each (near, far,
  // gap), with `paths` 1.
  void Build(const Path& path, std::vector<Link>& links);

 private:
  // The TTLs from which on the links of a path are not to be relied on: any,
  // and even those that are confirmed.
  struct Steadiness {
    int until = 256;
    int sure_until = 256;
  };
  static Steadiness SteadinessOf(const Path& path);
  uint8_t DoubtsOf(Ttl far, bool confirmed, const Steadiness& steady) const;

  enum class Step { kLink, kStay, kVoid, kStopBefore, kLoop };

  Step Judge(const Path& path, size_t index);
  Link LinkBetween(const Path& path, const Cell& near, const Cell& far) const;
  void CountEnd(const Cell& cell);

  const Nanos max_interval_;
  LinkStats& stats_;
  const bool verify_;
};

// Adds what `other` knows to `link`. Commutes and associates, so links may be
// merged in any order. REQUIRES: equal near, far and gap.
void MergeInto(Link& link, const Link& other);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_LINK_BUILDER_H_
