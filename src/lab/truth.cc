#include "src/lab/truth.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace fathom::lab {
namespace {

// The routers that stand at one distance: some branches of one segment.
struct Layer {
  Route::Place place;
  bool branched = false;
  uint32_t first = 0;
  uint32_t count = 1;

  uint32_t Router(uint32_t i) const {
    return place.segment->Router(place.position, first + i);
  }
};

Layer LayerAt(const Route& route, uint32_t distance, const FlowKeys& keys,
              Sight sight) {
  Layer layer{.place = route.At(distance)};
  const Segment& segment = *layer.place.segment;
  if (!segment.OnBranch(layer.place.position)) return layer;
  layer.branched = true;
  const bool all =
      sight == Sight::kEverything ||
      (sight == Sight::kAnyFlow && segment.balancer == Balancer::kPerFlow);
  if (all) {
    layer.count = segment.width;
  } else {
    layer.first = segment.Branch(keys);
  }
  return layer;
}

// Calls visit(near, far) for the links from one layer to the next: along the
// branches inside a diamond, from or to its single ends outside.
template <typename Visit>
void JoinLayers(const Layer& near, const Layer& far, Visit&& visit) {
  if (near.branched && far.branched) {
    for (uint32_t i = 0; i < near.count; ++i) {
      visit(near.Router(i), far.Router(i));
    }
    return;
  }
  for (uint32_t i = 0; i < near.count; ++i) {
    for (uint32_t j = 0; j < far.count; ++j) {
      visit(near.Router(i), far.Router(j));
    }
  }
}

// A growing list that is sorted and freed of repeats now and then, so that it
// takes no more than about twice the room of the result.
template <typename T>
class UniqueList {
 public:
  void Add(const T& value) {
    values_.push_back(value);
    if (values_.size() >= limit_) Compact();
  }

  std::vector<T> Take() {
    Compact();
    return std::move(values_);
  }

 private:
  static constexpr size_t kLeast = 1 << 20;

  void Compact() {
    std::sort(values_.begin(), values_.end());
    values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
    limit_ = 2 * values_.size() + kLeast;
  }

  std::vector<T> values_;
  size_t limit_ = kLeast;
};

}  // namespace

void Truth::VisitLinks(uint32_t target, const FlowKeys& keys, Sight sight,
                       absl::FunctionRef<void(const TrueLink&)> visit) const {
  const Route route = topology_.RouteTo(target);
  Layer near = LayerAt(route, 1, keys, sight);
  Layer before = near;
  for (uint32_t distance = 2; distance <= route.hops; ++distance) {
    const Layer far = LayerAt(route, distance, keys, sight);
    JoinLayers(near, far, [&](uint32_t a, uint32_t b) {
      if (Seen(a) && Seen(b)) visit({a, b, LinkKind::kForward});
    });
    before = near;
    near = far;
  }
  // The last layer is a single router: diamonds end within their segments.
  if (route.end == RouteEnd::kLoop) {
    JoinLayers(before, near, [&](uint32_t a, uint32_t b) {
      if (Seen(a) && Seen(b)) visit({b, a, LinkKind::kLoopBack});
    });
  }
  if (route.end == RouteEnd::kHost && behaviour_.Host(target).answers &&
      Seen(near.Router(0))) {
    visit({near.Router(0), target, LinkKind::kToHost});
  }
}

void Truth::VisitHops(uint32_t target, const FlowKeys& keys, Sight sight,
                      absl::FunctionRef<void(const TrueHop&)> visit) const {
  const Route route = topology_.RouteTo(target);
  for (uint8_t distance = 1; distance <= route.hops; ++distance) {
    const Layer layer = LayerAt(route, distance, keys, sight);
    for (uint32_t i = 0; i < layer.count; ++i) {
      const uint32_t router = layer.Router(i);
      if (Seen(router)) visit({router, distance, false});
    }
  }
  if (route.end == RouteEnd::kHost && behaviour_.Host(target).answers) {
    visit({target, static_cast<uint8_t>(route.hops + 1), true});
  }
}

std::vector<TrueLink> Truth::Links(std::span<const uint32_t> targets,
                                   KeysByTarget keys, Sight sight) const {
  UniqueList<TrueLink> links;
  for (const uint32_t target : targets) {
    VisitLinks(target, keys(target), sight,
               [&](const TrueLink& link) { links.Add(link); });
  }
  return links.Take();
}

std::vector<uint32_t> Truth::Interfaces(std::span<const uint32_t> targets,
                                        KeysByTarget keys, Sight sight) const {
  UniqueList<uint32_t> addresses;
  for (const uint32_t target : targets) {
    VisitHops(target, keys(target), sight,
              [&](const TrueHop& hop) { addresses.Add(hop.address); });
  }
  return addresses.Take();
}

void VisitSlash24s(const Scenario& scenario,
                   absl::FunctionRef<void(const Prefix&)> visit) {
  for (const Prefix& prefix : scenario.space) {
    // 64 bits, so that the step past the last address does not wrap around.
    for (uint64_t address = prefix.first().v4(); address <= prefix.last().v4();
         address += 256) {
      visit(Prefix(IpAddress::V4(static_cast<uint32_t>(address)), 24));
    }
  }
}

}  // namespace fathom::lab
