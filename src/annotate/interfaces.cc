#include "src/annotate/interfaces.h"

#include <algorithm>

namespace fathom {

std::vector<IpAddress> Interfaces::Sorted() const {
  std::vector<IpAddress> addresses;
  addresses.reserve(all_.size());
  for (const auto& [address, interface] : all_) addresses.push_back(address);
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

}  // namespace fathom
