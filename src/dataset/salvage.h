#ifndef FATHOM_SRC_DATASET_SALVAGE_H_
#define FATHOM_SRC_DATASET_SALVAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/dataset/check_dataset.h"

namespace fathom {

// A new dataset of all that a damaged one still holds: the row groups that can
// be read, of tables whose footers are lost as well, and the manifest, which
// each file has. What the damage took is under "salvaged" in the new manifest.

struct Salvage {
  uint64_t links = 0;  // Rows saved, gaps and those of single scans included.
  uint64_t hops = 0;
  std::vector<Damage> lost{};  // A row group each, or a whole file.
};

// Reads `from` and makes the dataset `to`. Fails if nothing at all can be read,
// or `to` cannot be written.
absl::StatusOr<Salvage> SalvageDataset(const std::string& from,
                                       const std::string& to);

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_SALVAGE_H_
