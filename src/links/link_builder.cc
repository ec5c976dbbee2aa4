#include "src/links/link_builder.h"

#include <algorithm>
#include <cstdint>

#include "src/links/saturate.h"

namespace fathom {
namespace {

bool CanBeRouter(const IpAddress& address) {
  if (address.family() == Family::kIpv4) {
    const uint32_t number = address.v4();
    const uint32_t octet = number >> 24;
    const bool multicast = octet >= 224 && octet < 240;
    return octet != 0 && octet != 127 && !multicast && number != 0xffffffff;
  }
  const bool loopback_or_less = address.high() == 0 && address.low() <= 1;
  return !loopback_or_less && address.high() >> 56 != 0xff;
}

// How far apart in time the last runs of two cells are; 0 if they overlap.
Nanos Apart(const Cell& a, const Cell& b) {
  const Instant from = std::min(a.last_sent, b.last_sent);
  const Instant to = std::max(a.first_sent(), b.first_sent());
  if (to <= from) return Nanos(0);
  return Nanos(
      Subtract(to.time_since_epoch().count(), from.time_since_epoch().count()));
}

// Whether both routers were there at one time, and again and again.
bool Confirmed(const Cell& a, const Cell& b) {
  return a.settled() && b.settled() && a.answers > 1 && b.answers > 1 &&
         Apart(a, b) == Nanos(0);
}

uint8_t TunnelFlags(const Cell& near, const Cell& far) {
  if (far.labels == Cell::Labels::kEnd) return kLinkAcrossTunnel;
  // Only routers at which the TTL ran out quote it as they saw it.
  const bool rises = far.kind == ReplyKind::kHop && far.quoted_ttl > Ttl(1) &&
                     far.quoted_ttl.value() == near.quoted_ttl.value() + 1 &&
                     far.ttl.value() == near.ttl.value() + 1;
  const bool inside = far.labels == Cell::Labels::kInside || rises;
  return inside ? kLinkInTunnel : 0;
}

}  // namespace

void LinkBuilder::Build(const Path& path, std::vector<Link>& links) {
  const size_t first = links.size();
  const Cell* near = nullptr;  // Null where no link may begin.
  const Steadiness steady = SteadinessOf(path);
  for (size_t i = 0; i < path.cells.size(); ++i) {
    const Cell& cell = path.cells[i];
    const Step step = Judge(path, i);
    if (step == Step::kLink && near != nullptr) {
      const bool confirmed = Confirmed(*near, cell);
      if (confirmed || !(near->ambiguous || cell.ambiguous)) {
        links.push_back(LinkBetween(path, *near, cell));
        links.back().flags |= DoubtsOf(cell.ttl, confirmed, steady);
      }
    }
    near = step == Step::kVoid ? nullptr : &cell;
    if (step == Step::kLoop) {
      for (size_t j = first; j < links.size(); ++j) {
        links[j].flags |= kLinkInLoop;
      }
    }
    if (cell.ends_path || step == Step::kLoop) {
      stats_.cells_after_end += path.cells.size() - i - 1;
      break;
    }
  }
  stats_.observations += links.size() - first;
}

LinkBuilder::Steadiness LinkBuilder::SteadinessOf(const Path& path) {
  // A balancer may have a router or two before the one that gave it away.
  constexpr int kBefore = 2;
  Steadiness steady;
  for (const Cell& cell : path.cells) {
    const int from = cell.ttl.value() - kBefore;
    if (cell.ambiguous) steady.until = std::min(steady.until, from);
    if (cell.mixed) steady.sure_until = std::min(steady.sure_until, from);
    if (cell.ends_path) break;
  }
  return steady;
}

uint8_t LinkBuilder::DoubtsOf(Ttl far, bool confirmed,
                              const Steadiness& steady) const {
  const int until = confirmed ? steady.sure_until : steady.until;
  uint8_t doubts = 0;
  if (far.value() >= until) doubts |= kLinkUnsteady;
  if (verify_ && !confirmed) doubts |= kLinkUnverified;
  return doubts;
}

LinkBuilder::Step LinkBuilder::Judge(const Path& path, size_t index) {
  const Cell& cell = path.cells[index];
  if (!cell.settled()) {
    ++stats_.ambiguous_cells;
    return Step::kVoid;
  }
  if (!CanBeRouter(cell.responder)) {
    ++stats_.unusable_cells;
    return Step::kVoid;
  }
  if (cell.kind == ReplyKind::kAlias) {
    ++stats_.aliases;
    return Step::kStopBefore;
  }
  if (cell.kind == ReplyKind::kHop && cell.responder == path.target) {
    ++stats_.target_hops;
    return Step::kStopBefore;
  }
  // A path is short: looking at every earlier cell is cheaper than a set.
  bool stays = false;
  for (size_t i = 0; i < index; ++i) {
    const Cell& earlier = path.cells[i];
    if (!earlier.settled() || earlier.responder != cell.responder) continue;
    if (cell.ttl.value() - earlier.ttl.value() > 1) {
      ++stats_.loops;
      return Step::kLoop;
    }
    stays = true;
  }
  CountEnd(cell);
  if (!stays) return Step::kLink;
  ++stats_.self_edges;
  return Step::kStay;
}

void LinkBuilder::CountEnd(const Cell& cell) {
  if (cell.kind == ReplyKind::kDestination) ++stats_.destinations;
  if (cell.kind == ReplyKind::kUnreachable) ++stats_.unreachable;
}

Link LinkBuilder::LinkBetween(const Path& path, const Cell& near,
                              const Cell& far) const {
  uint8_t flags = TunnelFlags(near, far);
  if (far.kind == ReplyKind::kDestination) flags |= kLinkToDestination;
  if (far.kind == ReplyKind::kUnreachable) flags |= kLinkUnreachable;
  if (Apart(near, far) > max_interval_) flags |= kLinkWideInterval;
  return {.near = near.responder,
          .far = far.responder,
          .target = path.target,
          .first_seen = std::min(near.received, far.received),
          .last_seen = std::max(near.received, far.received),
          .min_ttl = near.ttl,
          .gap = static_cast<uint8_t>(far.ttl.value() - near.ttl.value() - 1),
          .flags = flags};
}

void MergeInto(Link& link, const Link& other) {
  const auto doubts = link.flags & other.flags & kLinkDoubts;
  const auto facts = (link.flags | other.flags) & ~kLinkDoubts;
  link.flags = static_cast<uint8_t>(doubts | facts);
  link.paths += other.paths;
  link.target = std::min(link.target, other.target);
  link.first_seen = std::min(link.first_seen, other.first_seen);
  link.last_seen = std::max(link.last_seen, other.last_seen);
  link.min_ttl = std::min(link.min_ttl, other.min_ttl);
}

}  // namespace fathom
