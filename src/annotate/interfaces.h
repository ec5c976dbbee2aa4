#ifndef FATHOM_SRC_ANNOTATE_INTERFACES_H_
#define FATHOM_SRC_ANNOTATE_INTERFACES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fathom/address.h"
#include "fathom/dataset.h"
#include "fathom/probe.h"

namespace fathom {

// Whether the link is asserted and nothing speaks against it: what counts below
// and makes AS links.
inline bool IsTrusted(const Link& link) {
  return link.gap == 0 && (link.flags & kLinkDoubts) == 0;
}

// What is counted of an interface, and where it belongs.
struct Interface {
  uint64_t replies = 0;
  uint32_t links_near = 0;  // Trusted links whose near end it is.
  uint32_t links_far = 0;
  uint32_t asn = 0;  // Of an exchange's LAN: see as_links.h.
  bool ixp = false;
};

// The interfaces of a dataset: the responders of its hops and the ends of its
// links. 47 to 94 bytes each, and half as much again while the table grows: 16
// million take 0.8 to 1.5 GB.
class Interfaces {
 public:
  void Count(std::span<const Reply> replies) {
    for (const Reply& reply : replies) ++all_[reply.responder].replies;
  }

  void Count(std::span<const Link> links) {
    for (const Link& link : links) {
      Interface& near = all_[link.near];
      if (IsTrusted(link)) ++near.links_near;
      Interface& far = all_[link.far];
      if (IsTrusted(link)) ++far.links_far;
    }
  }

  // nullptr if it was never counted.
  Interface* Find(const IpAddress& address) {
    const auto at = all_.find(address);
    return at == all_.end() ? nullptr : &at->second;
  }

  size_t size() const { return all_.size(); }

  // All of them, ascending: 16 bytes each.
  std::vector<IpAddress> Sorted() const;

 private:
  absl::flat_hash_map<IpAddress, Interface> all_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_INTERFACES_H_
