#include "src/strategy/sibling_flows.h"

#include "src/base/hash.h"
#include "src/schedule/permutation.h"

namespace fathom {
namespace {

constexpr uint32_t kHostPart = 255;

// The addresses of a /24 but for the first and the last, which are not hosts'.
constexpr uint64_t kSiblings = 254;

}  // namespace

std::optional<std::pair<IpAddress, FlowId>> SiblingFlows::Take(
    size_t target, Position& position) const {
  if (const auto sibling = TakeSibling(target, position)) {
    return std::pair(*sibling, FlowId(0));
  }
  if (position.flow >= kFlows) return std::nullopt;
  return std::pair(targets_[target], FlowId(position.flow++));
}

std::optional<IpAddress> SiblingFlows::TakeSibling(size_t target,
                                                   Position& position) const {
  if (!options_.allowed || position.sibling >= kSiblings) return std::nullopt;
  const uint32_t prefix = targets_[target].v4() & ~kHostPart;
  const bool first =
      target == 0 || (targets_[target - 1].v4() & ~kHostPart) != prefix;
  if (!first) {
    position.sibling = kSiblings;
    return std::nullopt;
  }
  const Permutation order(kSiblings, Derive(options_.seed, prefix));
  while (position.sibling < kSiblings) {
    const auto octet = static_cast<uint32_t>(order(position.sibling++) + 1);
    const IpAddress address = IpAddress::V4(prefix | octet);
    if (!targets_.Find(address) && options_.allowed(address)) return address;
  }
  return std::nullopt;
}

std::optional<size_t> SiblingFlows::OwnerOf(const IpAddress& address) const {
  if (const auto own = targets_.Find(address)) return own;
  if (address.family() != Family::kIpv4) return std::nullopt;
  const uint32_t prefix = address.v4() & ~kHostPart;
  const size_t first = targets_.LowerBound(IpAddress::V4(prefix));
  if (first == targets_.size() ||
      (targets_[first].v4() & ~kHostPart) != prefix) {
    return std::nullopt;
  }
  return first;
}

}  // namespace fathom
