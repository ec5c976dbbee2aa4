#ifndef FATHOM_SRC_LINKS_BUILD_DATASET_H_
#define FATHOM_SRC_LINKS_BUILD_DATASET_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

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

// What making a dataset takes by default, in bytes, and the least that can be
// asked for: some 300 MB go to what has no bound here, buffers of files and of
// runs. With less, a large spool is read more often; no row ever changes.
inline constexpr uint64_t kBuildMemory = 900'000'000;
inline constexpr uint64_t kLeastBuildMemory = 400'000'000;

// Options that keep to about so many bytes: two fifths for sorting replies, the
// rest for links. What a reply and a link count for is by what half a billion
// replies took (bench/finish_scale), tables that double and buffers included.
inline LinkOptions WithMemory(uint64_t bytes) {
  constexpr uint64_t kReplyBytes = 112;
  constexpr uint64_t kLinkBytes = 208;
  LinkOptions options;
  options.max_bucket_records = bytes / 5 * 2 / kReplyBytes;
  options.merge.max_links = bytes / 5 * 3 / kLinkBytes;
  return options;
}

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
