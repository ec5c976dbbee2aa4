#ifndef FATHOM_SRC_MERGE_MERGE_DATASETS_H_
#define FATHOM_SRC_MERGE_MERGE_DATASETS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fathom {

// Makes one dataset of several: shards of a scan, rounds of a vantage point,
// vantage points.
//
// Shards of one scan become that scan: its rows, and a manifest with the counts
// of all. Several scans stay apart inside the dataset: each has a number, which
// its hops bear and by which link_scans and gap_scans say what it saw; links
// and gaps are of all together (see FORMAT.md).
//
// Merging commutes and associates: whatever the order and the steps, the same
// datasets make the same bytes. All tables are sorted, so they stream past:
// memory is a row group for each of at most `most_open` inputs and the output,
// about 40 MB each; and for a scan whose shards meet, two bytes a reply, at
// most 256 MB, and at most 128 MB of holes (see hole_census.h). More inputs are
// merged in steps, in a directory beside the output called NAME.merging-PID,
// with room for a second copy of the rows.

struct MergeDatasetsOptions {
  std::vector<std::string> inputs{};
  std::string output{};
  bool partial = false;   // Shards may be missing.
  size_t most_open = 16;  // At least 2.
  // Called now and then; a status that is not OK ends the work.
  std::function<absl::Status(uint64_t rows)> on_progress{};
};

struct MergeSummary {
  size_t scans = 0;
  uint64_t links = 0;
  uint64_t gaps = 0;
  uint64_t hops = 0;
  std::string manifest{};
};

absl::StatusOr<MergeSummary> MergeDatasets(const MergeDatasetsOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_MERGE_DATASETS_H_
