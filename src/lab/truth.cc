#include "src/lab/truth.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace fathom::lab {
namespace {

constexpr uint64_t kSampleSalt = 0x73616d32;

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
      sight == Sight::kEverything || segment.balancer == Balancer::kPerPacket ||
      (sight == Sight::kAnyFlow && segment.balancer == Balancer::kPerFlow);
  if (all) {
    layer.count = segment.width;
  } else {
    layer.first = segment.Branch(keys, layer.place.position);
  }
  return layer;
}

// Calls visit(near, far) for the links from one layer to the next: along the
// branches inside a diamond that is not meshed, else from each to each.
template <typename Visit>
void JoinLayers(const Layer& near, const Layer& far, Visit&& visit) {
  if (near.branched && far.branched && !near.place.segment->meshed) {
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
  for (const Nanos age : topology_.AgesOf(target)) {
    VisitLinksOf(topology_.RouteTo(target, age), target, keys, sight, visit);
  }
}

void Truth::VisitLinksOf(const Route& route, uint32_t target,
                         const FlowKeys& keys, Sight sight,
                         absl::FunctionRef<void(const TrueLink&)> visit) const {
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
  if (route.end == RouteEnd::kHost && behaviour_.Host(target).present &&
      Seen(near.Router(0))) {
    visit({near.Router(0), target, LinkKind::kToHost});
  }
}

void Truth::VisitHops(uint32_t target, const FlowKeys& keys, Sight sight,
                      absl::FunctionRef<void(const TrueHop&)> visit) const {
  for (const Nanos age : topology_.AgesOf(target)) {
    const Route route = topology_.RouteTo(target, age);
    for (uint8_t distance = 1; distance <= route.hops; ++distance) {
      const Layer layer = LayerAt(route, distance, keys, sight);
      for (uint32_t i = 0; i < layer.count; ++i) {
        const uint32_t router = layer.Router(i);
        if (Seen(router)) visit({router, distance, false});
      }
    }
    if (route.end == RouteEnd::kHost && behaviour_.Host(target).present) {
      visit({target, static_cast<uint8_t>(route.hops + 1), true});
    }
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

uint64_t CountSlash24s(const Scenario& scenario) {
  uint64_t count = 0;
  for (const Prefix& prefix : scenario.space) {
    count += uint64_t{1} << (24 - prefix.length());
  }
  return count;
}

void SampleSlash24s(const Scenario& scenario, uint64_t count,
                    absl::FunctionRef<void(const Prefix&)> visit) {
  const uint64_t all = CountSlash24s(scenario);
  uint64_t before = 0;  // /24s in the prefixes before this one.
  uint64_t i = 0;
  for (const Prefix& prefix : scenario.space) {
    const uint64_t here = uint64_t{1} << (24 - prefix.length());
    for (; i < count; ++i) {
      const uint64_t first = all * i / count;
      const uint64_t stretch = all * (i + 1) / count - first;
      const uint64_t index =
          first + Derive(scenario.seed ^ kSampleSalt, i) % stretch;
      if (index >= before + here) break;
      const auto offset = static_cast<uint32_t>(index - before) << 8;
      visit(Prefix(IpAddress::V4(prefix.first().v4() + offset), 24));
    }
    before += here;
  }
}

}  // namespace fathom::lab
