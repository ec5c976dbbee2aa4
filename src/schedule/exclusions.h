#ifndef FATHOM_SRC_SCHEDULE_EXCLUSIONS_H_
#define FATHOM_SRC_SCHEDULE_EXCLUSIONS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/net/prefix_set.h"
#include "src/schedule/address_file.h"

namespace fathom {

// The addresses of both families that asked not to be probed, and where that is
// written.
struct Exclusions {
  PrefixSet set;
  std::vector<AddressFileSummary> files;
};

// Reads the files and joins what they hold. It fails closed: if any file is
// missing or any line of any file cannot be read, there is no result, so that
// no scan can go on without what was asked of it. An empty file is sound.
// Standard input ("-") is refused, since who reads it first leaves it empty.
absl::StatusOr<Exclusions> LoadExclusions(std::span<const std::string> paths);

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_EXCLUSIONS_H_
