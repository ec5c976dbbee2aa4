#ifndef FATHOM_SRC_ENGINE_FINISH_H_
#define FATHOM_SRC_ENGINE_FINISH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "src/engine/manifest.h"
#include "src/links/build_dataset.h"

namespace fathom {

// From the spool of a scan to its dataset. While there is no dataset NAME,
// NAME.partial holds the spool; at no moment is there neither.

std::string PartialPath(const std::string& dataset);
std::string SpoolPath(const std::string& dataset);

// Fails if a dataset, or what an earlier scan left of one, is in the way.
absl::Status CheckNothingThere(const std::string& dataset);

// What a scan that left no dataset, and does not run, has left of itself.
absl::StatusOr<ScanRecord> ReadPartial(const std::string& dataset);

// Fails if there is nothing to go on with, or the dataset is there already.
absl::Status CheckResumable(const std::string& dataset);

// Makes the dataset of the closed spool and removes the spool. `record` says
// what is known of the scan; what only the spool can tell is filled in.
// Takes about `memory` bytes.
absl::Status FinishDataset(const std::string& dataset, ScanRecord& record,
                           uint64_t memory);

// Makes the dataset of a scan that was killed, all but what had not reached
// the disk. Refuses while the scan runs. Returns what there is to know of it.
absl::StatusOr<ScanRecord> RecoverDataset(const std::string& dataset,
                                          uint64_t memory = kBuildMemory);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_FINISH_H_
