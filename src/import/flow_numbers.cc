#include "src/import/flow_numbers.h"

namespace fathom {

std::optional<uint16_t> FlowNumbers::Find(uint64_t key, uint16_t wanted) {
  const auto known = numbers_.find(key);
  if (known != numbers_.end()) return known->second;
  if (numbers_.size() == kMost) return std::nullopt;
  size_t number = wanted;
  if (taken_[number]) {
    while (taken_[next_]) --next_;
    number = next_;
  }
  taken_[number] = true;
  numbers_.emplace(key, static_cast<uint16_t>(number));
  return static_cast<uint16_t>(number);
}

}  // namespace fathom
