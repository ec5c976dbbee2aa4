#ifndef FATHOM_SRC_LAB_CHANCE_H_
#define FATHOM_SRC_LAB_CHANCE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "src/base/hash.h"
#include "src/lab/shape.h"

namespace fathom::lab {

// Draws: how a hash becomes a choice. A thing's choices all follow from the
// hash of what it is, so nothing about it needs to be stored.

// A share as a threshold, so that a draw is one comparison. Exact to 2^-32.
class Share {
 public:
  Share() = default;
  // REQUIRES: share is 0 to 1.
  explicit Share(double share)
      : threshold_(static_cast<uint64_t>(share * 4294967296.0)) {}

  // True for this share of all `draw`.
  bool Holds(uint32_t draw) const { return draw < threshold_; }

  // The draw as seen by the next of several exclusive shares: a draw that
  // this one does not hold starts from 0 again.
  uint32_t Rest(uint32_t draw) const {
    return draw - static_cast<uint32_t>(threshold_);
  }

 private:
  uint64_t threshold_ = 0;
};

// Two draws from one hash.
constexpr uint32_t High(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 32);
}
constexpr uint32_t Low(uint64_t hash) { return static_cast<uint32_t>(hash); }

// A number below `count`, evenly.
constexpr uint32_t Below(uint32_t count, uint32_t draw) {
  return static_cast<uint32_t>((uint64_t{count} * draw) >> 32);
}

constexpr uint32_t Between(const Range<uint32_t>& range, uint32_t draw) {
  return range.min + Below(range.max - range.min + 1, draw);
}

// A range of delays, in nanoseconds.
class DelayRange {
 public:
  DelayRange() = default;
  explicit DelayRange(const Range<double>& ms)
      : min_(static_cast<int64_t>(ms.min * 1e6)),
        width_(static_cast<uint64_t>((ms.max - ms.min) * 1e6)) {}

  Nanos At(uint32_t draw) const {
    return Nanos(min_ + static_cast<int64_t>((width_ * draw) >> 32));
  }

 private:
  int64_t min_ = 0;
  uint64_t width_ = 0;
};

// A choice among `kCount` by their weights.
template <size_t kCount>
class Weights {
 public:
  Weights() = default;
  explicit Weights(const std::array<double, kCount>& weights) {
    double all = 0;
    for (const double weight : weights) all += weight;
    double sum = 0;
    for (size_t i = 0; i < kCount; ++i) {
      sum += weights[i];
      limits_[i] = static_cast<uint64_t>(sum / all * 4294967296.0);
    }
  }

  size_t At(uint32_t draw) const {
    size_t i = 0;
    while (i + 1 < kCount && draw >= limits_[i]) ++i;
    return i;
  }

 private:
  std::array<uint64_t, kCount> limits_{};  // Cumulated.
};

// An independent number for each of the `index`es of one hash; cheaper than
// Derive(), and enough for a hash that is mixed already.
constexpr uint64_t Again(uint64_t hash, uint64_t index) {
  return Mix(hash + index * 0x9e3779b97f4a7c15);
}

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_CHANCE_H_
