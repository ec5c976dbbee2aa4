#ifndef FATHOM_SRC_MERGE_SCAN_CENSUS_H_
#define FATHOM_SRC_MERGE_SCAN_CENSUS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/links/hole_census.h"
#include "src/links/link_builder.h"
#include "src/links/link_stats.h"
#include "src/links/path_builder.h"

namespace fathom {

// Which holes of a scan were probably lost, and which are silent: that follows
// from all paths, of which a shard knows its own only. So they are read off the
// hops once more when shards meet, as src/links does at the end of a scan.
//
// Times are to the second here, so where probes were repeated and answers
// changed it may come to another judgement on a hole in a thousand.
class ScanCensus {
 public:
  // Of a scan with so many replies.
  explicit ScanCensus(uint64_t replies);

  ScanCensus(const ScanCensus&) = delete;
  ScanCensus& operator=(const ScanCensus&) = delete;

  // REQUIRES, over all calls: the order of hops in a dataset.
  void Add(std::span<const Reply> replies);

  // Once, at the end.
  HoleCounts Finish();

 private:
  void Build(const Path& path);

  LinkStats stats_;
  PathBuilder paths_;
  LinkBuilder builder_;
  HoleCensus census_;
  std::vector<Link> links_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_SCAN_CENSUS_H_
