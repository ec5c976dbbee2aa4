#ifndef FATHOM_SRC_STRATEGY_TRACES_H_
#define FATHOM_SRC_STRATEGY_TRACES_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fathom/targets.h"

namespace fathom {

// Sets of TTLs up to 63, a bit each.
using TtlSet = uint64_t;

constexpr TtlSet TtlBit(int ttl) { return TtlSet{1} << ttl; }

// 0 of an empty set.
constexpr int HighestTtl(TtlSet ttls) {
  return ttls == 0 ? 0 : std::bit_width(ttls) - 1;
}
constexpr int LowestTtl(TtlSet ttls) {
  return ttls == 0 ? 0 : std::countr_zero(ttls);
}

// The order in which targets are begun: each as far as may be, in the list,
// from those before, so that the first that are begun are spread evenly and
// each later one has neighbours, at a known distance, whose paths are known.
// It counts in base 2 with the digits reversed (van der Corput), shifted by
// the seed.
class SpreadOrder {
 public:
  SpreadOrder(size_t size, uint64_t seed);

  // Places there are; those that are not a target's yield nullopt.
  uint64_t places() const { return places_; }
  std::optional<size_t> operator()(uint64_t place) const;

  // How far apart those are, in the list, that are begun up to where this one
  // is begun.
  size_t Stride(size_t index) const;

 private:
  size_t size_;
  uint64_t places_;
  uint64_t shift_;
  int digits_;
};

// What stays of a path: 8 bytes a target.
struct Trace {
  uint32_t heard = 0;  // Bit i: TTL low + i answered.
  uint32_t low : 6 = 0;
  uint32_t high : 6 = 0;    // The TTLs that were asked, but for gaps.
  uint32_t branch : 6 = 0;  // Where it left what was known; 0: not known.
  uint32_t shared : 6 = 0;  // Bits in common with the nearest target before.
  bool begun : 1 = false;
  bool finished : 1 = false;
  bool reached : 1 = false;  // The target, or a router that refuses it.
};
static_assert(sizeof(Trace) == 8);

// What the paths of neighbours tell of a path before it is probed.
struct Vicinity {
  bool known = false;  // There are neighbours.
  int branch = 0;      // Where it will leave what they share; 0: not known.
  int agreeing = 0;    // Neighbours that left there.
  bool tight = false;  // Some of them are as near to each other as to it.
  int near = 0;        // Neighbours that are about as near as the nearest,
  int live = 0;        // those of them that were heard beyond the branch,
  int end = 0;         // and where they ended: the mean and
  int latest = 0;      // the highest.
  TtlSet heard = 0;    // Any of them,
  TtlSet silent = 0;   // one and no other,
  TtlSet quiet = 0;    // two or more and no other.
};

// The traces of all targets.
class Traces {
 public:
  // `targets` must outlive it.
  Traces(const TargetSet& targets, const SpreadOrder& order)
      : targets_(targets), order_(order), traces_(targets.size()) {}

  void Begin(size_t index) { traces_[index].begun = true; }

  struct Path {
    TtlSet asked;
    TtlSet answered;
    int branch;
    bool reached;
  };
  void Finish(size_t index, const Path& path);

  Vicinity Around(size_t index) const;

 private:
  // So many on each side are looked at.
  static constexpr int kEachSide = 15;
  // The least bits in common that make a neighbour: see SharedBits().
  static constexpr int kLeastShared = 12;

  struct Neighbour {
    const Trace* trace;
    int shared;
  };
  using Room = std::array<Neighbour, 2 * size_t{kEachSide}>;

  // Those that are begun and near in the list, and what they share with it.
  std::span<const Neighbour> Neighbours(size_t index, Room& room) const;
  static void FindBranch(std::span<const Neighbour> neighbours, int nearest,
                         Vicinity& vicinity);
  static void FindEnds(std::span<const Neighbour> neighbours, int nearest,
                       Vicinity& vicinity);

  const TargetSet& targets_;
  SpreadOrder order_;
  std::vector<Trace> traces_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_TRACES_H_
