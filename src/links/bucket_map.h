#ifndef FATHOM_SRC_LINKS_BUCKET_MAP_H_
#define FATHOM_SRC_LINKS_BUCKET_MAP_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fathom/address.h"
#include "fathom/targets.h"

namespace fathom {

// Which bucket of the spool a target falls into.
//
// Buckets are ranges of targets, not hashes of them: bucket i holds the targets
// from boundary i - 1 up to, not including, boundary i. Buckets in order are
// then already in the order of the dataset, and hops need no merge: each
// bucket is sorted, written and forgotten. With quantiles of the targets as
// boundaries the buckets are as even as hashes would make them.
class BucketMap {
 public:
  // REQUIRES: `boundaries` ascend strictly.
  explicit BucketMap(std::vector<IpAddress> boundaries)
      : boundaries_(std::move(boundaries)) {}

  size_t size() const { return boundaries_.size() + 1; }
  const std::vector<IpAddress>& boundaries() const { return boundaries_; }

  // How many boundaries do not lie above `target`. Halves the array without a
  // branch that depends on addresses, as those cannot be predicted.
  size_t Find(const IpAddress& target) const {
    const IpAddress* base = boundaries_.data();
    size_t length = boundaries_.size();
    if (length == 0) return 0;
    while (length > 1) {
      const size_t half = length / 2;
      base += NotAbove(base[half - 1], target) * half;
      length -= half;
    }
    return static_cast<size_t>(base - boundaries_.data()) +
           NotAbove(*base, target);
  }

 private:
  static size_t NotAbove(const IpAddress& boundary, const IpAddress& target) {
    const bool below = boundary.high() < target.high();
    const bool level = boundary.high() == target.high();
    const bool low = boundary.low() <= target.low();
    return static_cast<size_t>(below) |
           (static_cast<size_t>(level) & static_cast<size_t>(low));
  }

  std::vector<IpAddress> boundaries_;
};

// Boundaries that deal `targets` into about `buckets` even ranges; fewer if
// there are fewer targets. Aim at two million replies a bucket: see
// LinkOptions::max_bucket_records.
inline std::vector<IpAddress> EvenBoundaries(const TargetSet& targets,
                                             size_t buckets) {
  std::vector<IpAddress> boundaries;
  for (size_t i = 1; i < buckets; ++i) {
    const size_t index = i * targets.size() / buckets;
    if (index == 0) continue;
    const IpAddress boundary = targets[index];
    if (boundaries.empty() || boundaries.back() < boundary) {
      boundaries.push_back(boundary);
    }
  }
  return boundaries;
}

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_BUCKET_MAP_H_
