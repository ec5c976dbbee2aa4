#ifndef FATHOM_SRC_ANNOTATE_AS_LINKS_H_
#define FATHOM_SRC_ANNOTATE_AS_LINKS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "fathom/address.h"
#include "fathom/dataset.h"
#include "src/annotate/interfaces.h"

namespace fathom {

// Links between ASes, from links between interfaces: a trusted link whose ends
// are of different ASes shows one.
//
// An address on an exchange's LAN is that of a member's router, and the
// prefix does not say whose. It is taken to be of the AS in which most of the
// trusted links that lead on from it end (of equals, the least), so that
//
//   AS 1 -> LAN -> AS 2
//
// is one link from AS 1 to AS 2, through an exchange. Where no link leads on,
// whose router it is stays unknown, and the link shows none.
//
// The two routers of a link between ASes number it from the space of one of
// them, so the border may in truth lie a router earlier or later than where
// the number of the AS changes; the two ASes are the same.

struct AsLink {
  uint32_t near_asn = 0;
  uint32_t far_asn = 0;
  uint32_t links = 0;      // Links of interfaces that showed it.
  uint32_t ixp_links = 0;  // Of these, to an address on an exchange's LAN.
  uint64_t paths = 0;      // The sum over these links.
  Instant first_seen{};
  Instant last_seen{};
};

struct AsLinkCounts {
  uint64_t between = 0;      // Links that show a link of ASes.
  uint64_t within = 0;       // Both ends are of one AS.
  uint64_t unknown = 0;      // The AS of an end is not known.
  uint64_t unknown_ixp = 0;  // Of these, since whose router it is is not known.
  uint64_t doubted = 0;      // Links not to be trusted, and gaps.
  uint64_t ixp_owned = 0;    // Of these, given to an AS.
};

// To be used in three turns: Vote() with all links, AssignIxps(), Count() with
// all links again. About 50 bytes for each AS link, and for each pair of an
// exchange's address and an AS behind it.
class AsLinks {
 public:
  // `interfaces` have their AS, or that they are of an exchange.
  explicit AsLinks(Interfaces& interfaces) : interfaces_(interfaces) {}

  void Vote(std::span<const Link> links);
  void AssignIxps();
  void Count(std::span<const Link> links);

  // Ascending by (near_asn, far_asn).
  std::vector<AsLink> Sorted() const;
  const AsLinkCounts& counts() const { return counts_; }

 private:
  void Count(const Link& link);

  Interfaces& interfaces_;
  // Of each address on an exchange's LAN, how many links lead on to each AS.
  absl::flat_hash_map<IpAddress, absl::btree_map<uint32_t, uint32_t>> votes_;
  absl::flat_hash_map<uint64_t, AsLink> all_;
  AsLinkCounts counts_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_AS_LINKS_H_
