#include "src/strategy/sibling_flows.h"

#include "src/base/hash.h"
#include "src/schedule/permutation.h"

namespace fathom {
namespace {

constexpr uint64_t kHostPart = 255;

// The addresses that differ in the last octet, but for the first and the last:
// those of a /24 are not hosts'.
constexpr uint64_t kSiblings = 254;

IpAddress WithOctet(const IpAddress& address, uint64_t octet) {
  return IpAddress::V6(address.high(), (address.low() & ~kHostPart) | octet);
}

IpAddress PrefixOf(const IpAddress& address) { return WithOctet(address, 0); }

// What a prefix adds to the seed.
uint64_t NumberOf(const IpAddress& prefix) {
  if (prefix.family() == Family::kIpv4) return prefix.v4();
  return Derive(prefix.high(), prefix.low());
}

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
  const IpAddress prefix = PrefixOf(targets_[target]);
  const bool first = target == 0 || PrefixOf(targets_[target - 1]) != prefix;
  if (!first) {
    position.sibling = kSiblings;
    return std::nullopt;
  }
  const Permutation order(kSiblings, Derive(options_.seed, NumberOf(prefix)));
  while (position.sibling < kSiblings) {
    const IpAddress address = WithOctet(prefix, order(position.sibling++) + 1);
    if (!targets_.Find(address) && options_.allowed(address)) return address;
  }
  return std::nullopt;
}

std::optional<size_t> SiblingFlows::OwnerOf(const IpAddress& address) const {
  if (const auto own = targets_.Find(address)) return own;
  if (address.family() != targets_.family()) return std::nullopt;
  const IpAddress prefix = PrefixOf(address);
  const size_t first = targets_.LowerBound(prefix);
  if (first == targets_.size() || PrefixOf(targets_[first]) != prefix) {
    return std::nullopt;
  }
  return first;
}

}  // namespace fathom
