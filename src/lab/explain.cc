#include "src/lab/explain.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace fathom::lab {
namespace {

constexpr FlowKeys kNoKeys;  // kEverything reads none.

// The routes to `target` over time.
std::vector<Route> RoutesTo(const Topology& topology, uint32_t target) {
  std::vector<Route> routes;
  for (const Nanos age : topology.AgesOf(target)) {
    routes.push_back(topology.RouteTo(target, age));
  }
  return routes;
}

// At which distance `address` stands on a route, whatever the flow; 0 if it is
// not on it.
uint32_t DistanceOn(const Route& route, uint32_t target, uint32_t address) {
  for (uint32_t distance = 1; distance <= route.hops; ++distance) {
    const auto [segment, position] = route.At(distance);
    const uint32_t width = segment->OnBranch(position) ? segment->width : 1;
    for (uint32_t branch = 0; branch < width; ++branch) {
      if (segment->Router(position, branch) == address) return distance;
    }
  }
  const bool host = route.end == RouteEnd::kHost && address == target;
  return host ? route.hops + 1U : 0;
}

Cause CauseOf(Balancer balancer) {
  return balancer == Balancer::kPerPacket ? Cause::kPerPacket
                                          : Cause::kFlowChanged;
}

}  // namespace

Cause Explainer::Explain(uint32_t near, uint32_t far,
                         std::optional<uint32_t> target) const {
  if (target) {
    return ExplainOnPath(near, far, *target).value_or(Cause::kRewritten);
  }
  for (const uint32_t witness : {Nearest(far), Nearest(near), far}) {
    if (const auto cause = ExplainOnPath(near, far, witness)) return *cause;
  }
  return Cause::kRewritten;
}

// The target that has the most leading bits in common with `address`, which is
// a neighbour in the order of numbers; `address` itself if there is no target.
uint32_t Explainer::Nearest(uint32_t address) const {
  const auto after =
      std::lower_bound(targets_.begin(), targets_.end(), address);
  if (after == targets_.begin()) {
    return targets_.empty() ? address : *after;
  }
  const uint32_t before = *std::prev(after);
  if (after == targets_.end()) return before;
  return (before ^ address) < (*after ^ address) ? before : *after;
}

std::optional<LinkKind> Explainer::TrueKind(uint32_t near, uint32_t far,
                                            uint32_t target) const {
  std::optional<LinkKind> kind;
  truth_.VisitLinks(target, kNoKeys, Sight::kEverything,
                    [&](const TrueLink& link) {
                      if (link.near == near && link.far == far) {
                        kind = kind ? std::min(*kind, link.kind) : link.kind;
                      }
                    });
  return kind;
}

std::optional<Cause> Explainer::ExplainOnPath(uint32_t near, uint32_t far,
                                              uint32_t target) const {
  const auto kind = TrueKind(near, far, target);
  if (kind == LinkKind::kLoopBack) return Cause::kLoop;
  if (kind) return Cause::kElsewhere;
  bool on_path = false, at_once = false, beyond = false;
  std::vector<std::pair<uint32_t, uint32_t>> places;  // Of near and far.
  for (const Route& route : RoutesTo(truth_.topology(), target)) {
    const uint32_t a = DistanceOn(route, target, near);
    const uint32_t b = DistanceOn(route, target, far);
    places.emplace_back(a, b);
    if (a == 0 || b == 0) continue;
    at_once = true;
    beyond |= b > a + 1;
    // Neighbours by distance and not by any wire: on two branches.
    if (b == a + 1 && route.At(a).segment->width > 1) {
      return CauseOf(route.At(a).segment->balancer);
    }
  }
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = 0; j < places.size(); ++j) {
      const uint32_t a = places[i].first, b = places[j].second;
      if (a == 0 || b == 0) continue;
      on_path = true;
      if (i != j && b == a + 1) return Cause::kRouteChange;
    }
  }
  if (!on_path) return std::nullopt;
  if (!at_once) return Cause::kRouteChange;
  return beyond ? Cause::kBridged : Cause::kOther;
}

}  // namespace fathom::lab
