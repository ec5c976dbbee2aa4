#include "src/lab/census.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "src/lab/truth.h"

namespace fathom::lab {
namespace {

constexpr size_t kSplit = 16;  // The TTL to start at.
constexpr size_t kGap = 5;     // Silent hops in a row that end a path.

// A set of IPv4 addresses that knows its size: a bit each.
class AddressBits {
 public:
  AddressBits() : words_(size_t{1} << 26) {}

  // True if the address is new.
  bool Insert(uint32_t address) {
    uint64_t& word = words_[address >> 6];
    const uint64_t bit = uint64_t{1} << (address & 63);
    if ((word & bit) != 0) return false;
    word |= bit;
    ++size_;
    return true;
  }

  uint64_t size() const { return size_; }

 private:
  std::vector<uint64_t> words_;
  uint64_t size_ = 0;
};

// Who answers at each TTL, from 1 on; 0 for silence. Paths end with the last
// router, so hosts are not among them.
using Path = std::span<const uint32_t>;

class Walks {
 public:
  void Visit(Path path) {
    WalkBack(path);
    WalkOn(path);
    for (size_t i = 0; i < path.size(); ++i) {
      if (path[i] == 0) continue;
      all_.Insert(path[i]);
      if (i < kSplit) without_stop_.Insert(path[i]);
    }
  }

  void Fill(LabCensus& census) const {
    census.routers = all_.size();
    census.without_gap = back_.size();
    census.back_forward = back_forward_.size();
    census.without_stop = without_stop_.size();
  }

 private:
  void WalkBack(Path path) {
    for (size_t i = std::min(kSplit, path.size()); i-- > 0;) {
      if (path[i] == 0) continue;
      back_forward_.Insert(path[i]);
      if (!back_.Insert(path[i])) break;
    }
  }

  // Nothing stops this way but silence.
  void WalkOn(Path path) {
    size_t silent = 0;
    for (size_t i = kSplit; i < path.size() && silent < kGap; ++i) {
      silent = path[i] == 0 ? silent + 1 : 0;
      if (path[i] == 0) continue;
      back_forward_.Insert(path[i]);
      without_stop_.Insert(path[i]);
    }
  }

  AddressBits all_;
  AddressBits back_;
  AddressBits back_forward_;
  AddressBits without_stop_;
};

}  // namespace

LabCensus TakeCensus(const Scenario& scenario) {
  const Truth truth(scenario);
  const Topology& topology = truth.topology();
  const uint32_t source = scenario.source.v4();
  LabCensus census;
  Walks walks;
  std::array<uint32_t, 256> path;
  VisitSlash24s(scenario, [&](const Prefix& block) {
    ++census.blocks;
    const auto octet = static_cast<uint32_t>(
        Below(kFirstRouterOctet, High(Mix(scenario.seed ^ census.blocks))));
    const uint32_t target = block.first().v4() + octet;
    const FlowKeys keys = AddressKeys(source, target);
    const Route route = topology.RouteTo(target);
    for (uint8_t i = 0; i < route.hops; ++i) {
      const auto [segment, position] = route.At(i + 1U);
      const uint32_t branch =
          segment->OnBranch(position) ? segment->Branch(keys, position) : 0;
      const uint32_t router = segment->Router(position, branch);
      path[i] = truth.behaviour().IsSilent(router) ? 0 : router;
    }
    walks.Visit(std::span(path).first(route.hops));
    census.hosts +=
        route.end == RouteEnd::kHost && truth.behaviour().Host(target).present
            ? 1
            : 0;
  });
  walks.Fill(census);
  return census;
}

}  // namespace fathom::lab
