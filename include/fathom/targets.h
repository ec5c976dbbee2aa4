#ifndef FATHOM_TARGETS_H_
#define FATHOM_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// A TargetSet is what a scan may probe: an indexable list of addresses,
// ascending and without repeats.
//
// Excluded prefixes are cut out before indices are dealt, so an address whose
// owner opted out has no index, and no strategy can come to it by mistake.
// Four bytes a target; immutable, so lanes share it.
class TargetSet {
 public:
  TargetSet() = default;

  // REQUIRES: `addresses` ascend strictly.
  explicit TargetSet(std::vector<uint32_t> addresses)
      : addresses_(std::move(addresses)) {}

  size_t size() const { return addresses_.size(); }
  bool empty() const { return addresses_.empty(); }

  // REQUIRES: index < size().
  IpAddress operator[](size_t index) const {
    return IpAddress::V4(addresses_[index]);
  }

  // The index of `address`; nullopt if it may not be probed.
  std::optional<size_t> Find(const IpAddress& address) const;

  // The index of the first target that is not below `address`; size() if all
  // are. REQUIRES: an IPv4 address.
  size_t LowerBound(const IpAddress& address) const;

 private:
  std::vector<uint32_t> addresses_;
};

}  // namespace fathom

#endif  // FATHOM_TARGETS_H_
