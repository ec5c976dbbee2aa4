#ifndef FATHOM_TARGETS_H_
#define FATHOM_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// A TargetSet is what a scan may probe: an indexable list of addresses of one
// family, ascending and without repeats.
//
// Excluded prefixes are cut out before indices are dealt, so an address whose
// owner opted out has no index, and no strategy can come to it by mistake.
// Four bytes a target of IPv4, 16 of IPv6; immutable, so lanes share it.
class TargetSet {
 public:
  TargetSet() = default;

  // REQUIRES: `addresses` ascend strictly.
  explicit TargetSet(std::vector<uint32_t> addresses)
      : ipv4_(std::move(addresses)) {}

  // REQUIRES: likewise, and all are IPv6.
  explicit TargetSet(std::vector<IpAddress> addresses)
      : ipv6_(std::move(addresses)) {}

  // Of all targets; IPv4 if there are none.
  Family family() const {
    return ipv6_.empty() ? Family::kIpv4 : Family::kIpv6;
  }

  size_t size() const { return ipv4_.size() + ipv6_.size(); }
  bool empty() const { return size() == 0; }

  // REQUIRES: index < size().
  IpAddress operator[](size_t index) const {
    return ipv6_.empty() ? IpAddress::V4(ipv4_[index]) : ipv6_[index];
  }

  // The index of `address`; nullopt if it may not be probed.
  std::optional<size_t> Find(const IpAddress& address) const;

  // The index of the first target that is not below `address`; size() if all
  // are. REQUIRES: an address of the targets' family.
  size_t LowerBound(const IpAddress& address) const;

 private:
  // One of them is empty.
  std::vector<uint32_t> ipv4_;
  std::vector<IpAddress> ipv6_;
};

}  // namespace fathom

#endif  // FATHOM_TARGETS_H_
