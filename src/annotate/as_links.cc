#include "src/annotate/as_links.h"

#include <algorithm>

namespace fathom {

void AsLinks::Vote(std::span<const Link> links) {
  for (const Link& link : links) {
    if (!IsTrusted(link)) continue;
    const Interface* const near = interfaces_.Find(link.near);
    const Interface* const far = interfaces_.Find(link.far);
    if (near == nullptr || far == nullptr || !near->ixp) continue;
    if (!far->ixp && far->asn != 0) ++votes_[link.near][far->asn];
  }
}

void AsLinks::AssignIxps() {
  for (const auto& [address, ases] : votes_) {
    uint32_t most = 0;
    Interface* const interface = interfaces_.Find(address);
    for (const auto& [asn, links] : ases) {  // Ascending: the least wins.
      if (links <= most) continue;
      most = links;
      interface->asn = asn;
    }
  }
  counts_.ixp_owned = votes_.size();
  votes_.clear();
}

void AsLinks::Count(std::span<const Link> links) {
  for (const Link& link : links) Count(link);
}

void AsLinks::Count(const Link& link) {
  if (!IsTrusted(link)) {
    ++counts_.doubted;
    return;
  }
  const Interface* const near = interfaces_.Find(link.near);
  const Interface* const far = interfaces_.Find(link.far);
  if (near == nullptr || far == nullptr || near->asn == 0 || far->asn == 0) {
    ++counts_.unknown;
    const auto unowned = [](const Interface* end) {
      return end != nullptr && end->ixp && end->asn == 0;
    };
    if (unowned(near) || unowned(far)) ++counts_.unknown_ixp;
    return;
  }
  if (near->asn == far->asn) {
    ++counts_.within;
    return;
  }
  ++counts_.between;
  AsLink& as_link = all_[uint64_t{near->asn} << 32 | far->asn];
  if (as_link.links == 0) {
    as_link.near_asn = near->asn;
    as_link.far_asn = far->asn;
    as_link.first_seen = link.first_seen;
    as_link.last_seen = link.last_seen;
  }
  ++as_link.links;
  if (far->ixp) ++as_link.ixp_links;
  as_link.paths += link.paths;
  as_link.first_seen = std::min(as_link.first_seen, link.first_seen);
  as_link.last_seen = std::max(as_link.last_seen, link.last_seen);
}

std::vector<AsLink> AsLinks::Sorted() const {
  std::vector<AsLink> links;
  links.reserve(all_.size());
  for (const auto& [key, link] : all_) links.push_back(link);
  std::sort(links.begin(), links.end(), [](const AsLink& a, const AsLink& b) {
    return a.near_asn != b.near_asn ? a.near_asn < b.near_asn
                                    : a.far_asn < b.far_asn;
  });
  return links;
}

}  // namespace fathom
