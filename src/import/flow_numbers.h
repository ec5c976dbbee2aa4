#ifndef FATHOM_SRC_IMPORT_FLOW_NUMBERS_H_
#define FATHOM_SRC_IMPORT_FLOW_NUMBERS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace fathom {

// Numbers for the flows of others. A dataset numbers flows by 16 bits, and two
// that take different paths must not share one; others tell flows apart by
// ports, sources and probes of many kinds.
//
// A flow gets the number that its ports ask for, so that the same prober has
// the same numbers in every file; only if another flow has that one already, it
// gets the highest that is free. Takes 24 bytes a flow, of which there are few.
class FlowNumbers {
 public:
  // The number of the flow `key`, which would like to have `wanted`. nullopt if
  // 65,536 other flows were seen.
  std::optional<uint16_t> Find(uint64_t key, uint16_t wanted);

  size_t size() const { return numbers_.size(); }

 private:
  static constexpr size_t kMost = 65'536;

  absl::flat_hash_map<uint64_t, uint16_t> numbers_;
  std::vector<bool> taken_ = std::vector<bool>(kMost);
  size_t next_ = kMost - 1;  // All above are taken.
};

}  // namespace fathom

#endif  // FATHOM_SRC_IMPORT_FLOW_NUMBERS_H_
