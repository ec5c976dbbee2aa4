#include <algorithm>
#include <tuple>
#include <utility>

#include "fathom/dataset.h"
#include "src/found/found.h"

namespace fathom::found {
namespace {

bool IsV4(const IpAddress& address) {
  return address.family() == Family::kIpv4;
}

// Keeps what src/links/link_builder.h keeps of several observations.
void MergeInto(FoundLink& link, const FoundLink& other) {
  const int doubts = link.flags & other.flags & kLinkDoubts;
  const int facts = (link.flags | other.flags) & ~kLinkDoubts;
  link.flags = static_cast<uint8_t>(doubts | facts);
  // 0 is unknown, so that any other is better.
  const auto least = [](auto a, auto b) {
    return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
  };
  link.target = least(link.target, other.target);
  link.ttl = least(link.ttl, other.ttl);
}

void SortLinks(std::vector<FoundLink>& links) {
  std::sort(links.begin(), links.end());
  size_t kept = 0;
  for (size_t i = 0; i < links.size(); ++i) {
    if (kept > 0 && links[kept - 1].near == links[i].near &&
        links[kept - 1].far == links[i].far) {
      MergeInto(links[kept - 1], links[i]);
    } else {
      links[kept++] = links[i];
    }
  }
  links.resize(kept);
}

}  // namespace

ReplyKind KindOf(unsigned icmp_type, const IpAddress& responder,
                 const IpAddress& target) {
  constexpr unsigned kTimeExceeded = 11, kUnreachable = 3;
  if (icmp_type == kTimeExceeded) return ReplyKind::kHop;
  if (responder == target) return ReplyKind::kDestination;
  return icmp_type == kUnreachable ? ReplyKind::kUnreachable
                                   : ReplyKind::kAlias;
}

void Findings::AddHop(const IpAddress& target, uint32_t flow, unsigned ttl,
                      const IpAddress& responder, ReplyKind kind) {
  if (!IsV4(target) || !IsV4(responder)) {
    ++all_.not_ipv4;
    return;
  }
  ++all_.hops;
  AddInterface(responder);
  if (ttl == 0 || ttl > 255) {
    ++all_.no_distance;
    return;
  }
  hops_.push_back({.target = target.v4(),
                   .flow = flow,
                   .ttl = static_cast<uint8_t>(ttl),
                   .responder = responder.v4(),
                   .kind = kind});
}

void Findings::AddLink(const IpAddress& near, const IpAddress& far,
                       const FoundLink& more) {
  if (!IsV4(near) || !IsV4(far)) {
    ++all_.not_ipv4;
    return;
  }
  AddInterface(near);
  AddInterface(far);
  if (near == far) {
    ++all_.self_links;
    return;
  }
  FoundLink link = more;
  link.near = near.v4();
  link.far = far.v4();
  all_.links.push_back(link);
}

void Findings::AddInterface(const IpAddress& address) {
  if (!IsV4(address)) {
    ++all_.not_ipv4;
    return;
  }
  all_.interfaces.push_back(address.v4());
  if (all_.interfaces.size() >= merge_at_) MergeInterfaces();
}

void Findings::MergeInterfaces() {
  auto& all = all_.interfaces;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  merge_at_ = 2 * all.size() + (1 << 20);
}

void Findings::Join(const FoundHop& near, const FoundHop& far) {
  if (near.responder == far.responder) {
    ++all_.self_links;
    return;
  }
  uint8_t flags = 0;
  if (far.kind == ReplyKind::kDestination) flags = kLinkToDestination;
  if (far.kind == ReplyKind::kUnreachable) flags = kLinkUnreachable;
  all_.links.push_back({.near = near.responder,
                        .far = far.responder,
                        .target = near.target,
                        .ttl = near.ttl,
                        .flags = flags});
}

// The hops of one (target, flow), ascending. The path ends where an answer was
// not that of a router on it; the target itself, and a router that refuses, may
// be at the far end of a link.
void Findings::ReadPath(const FoundHop* first, const FoundHop* last) {
  const FoundHop* near = nullptr;  // Null where no link may begin.
  while (first != last) {
    const FoundHop* next = first;
    bool ambiguous = false, ends = false, joins = true;
    for (; next != last && next->ttl == first->ttl; ++next) {
      ambiguous |= next->responder != first->responder;
      ends |= next->kind != ReplyKind::kHop;
      joins &= next->kind != ReplyKind::kAlias;
    }
    if (ambiguous) ++all_.ambiguous;
    if (near != nullptr && !ambiguous && joins && near->ttl + 1 == first->ttl) {
      Join(*near, *(next - 1));
    }
    if (ends) return;
    near = ambiguous ? nullptr : first;
    first = next;
  }
}

FoundTopology Findings::Take(std::string format) {
  std::sort(hops_.begin(), hops_.end());
  const FoundHop* const end = hops_.data() + hops_.size();
  for (const FoundHop* first = hops_.data(); first != end;) {
    const FoundHop* last = first;
    while (last != end && last->target == first->target &&
           last->flow == first->flow) {
      ++last;
    }
    ReadPath(first, last);
    first = last;
  }
  hops_ = {};
  SortLinks(all_.links);
  MergeInterfaces();
  all_.format = std::move(format);
  return std::move(all_);
}

}  // namespace fathom::found
