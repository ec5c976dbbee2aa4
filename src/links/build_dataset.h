#ifndef FATHOM_SRC_LINKS_BUILD_DATASET_H_
#define FATHOM_SRC_LINKS_BUILD_DATASET_H_

#include <chrono>
#include <cstddef>

#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/links/link_merger.h"
#include "src/links/link_stats.h"
#include "src/links/spool_reader.h"

namespace fathom {

struct LinkOptions {
  // Links whose two probes were sent further apart are doubtful.
  Nanos max_interval = std::chrono::hours(1);
  // Replies sorted at once, at 80 bytes each: 320 MB. See sorted_replies.h.
  size_t max_bucket_records = 4'000'000;
  // The scan took a second look: mark what it did not confirm.
  bool verify = false;
  MergeOptions merge;
};

// Turns a spool into the rows of a dataset: first all replies, bucket by bucket
// in order, then all links. For the end of a scan and for recovery alike. Does
// not call writer.Finish().
//
// The same replies give the same rows, whatever the order and the buckets they
// were spooled in. What the spool has lost is told by spool.damage().
absl::StatusOr<LinkStats> BuildDataset(SpoolReader& spool,
                                       const LinkOptions& options,
                                       DatasetWriter& writer);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_BUILD_DATASET_H_
