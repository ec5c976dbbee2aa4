#include "src/links/build_dataset.h"

#include <span>
#include <vector>

#include "src/base/status_macros.h"
#include "src/links/hole_census.h"
#include "src/links/link_builder.h"
#include "src/links/path_builder.h"
#include "src/links/sorted_replies.h"

namespace fathom {

absl::StatusOr<LinkStats> BuildDataset(SpoolReader& spool,
                                       const LinkOptions& options,
                                       DatasetWriter& writer) {
  LinkStats stats;
  PathBuilder paths(stats);
  LinkBuilder builder(options.max_interval, stats, options.verify);
  HoleCensus census(PlacesExpected(spool.records()));
  LinkMerger merger(options.merge);
  std::vector<Link> links;
  const auto build = [&](const Path& path) {
    const size_t first = links.size();
    builder.Build(path, links);
    census.Add(std::span(links).subspan(first));
  };
  const auto take = [&](std::span<const Reply> replies) {
    links.clear();
    paths.Add(replies, build);
    FATHOM_RETURN_IF_ERROR(merger.Add(links));
    return writer.WriteReplies(replies);
  };
  for (size_t bucket = 0; bucket < spool.buckets(); ++bucket) {
    FATHOM_RETURN_IF_ERROR(
        ForEachSorted(spool, bucket, options.max_bucket_records, take));
  }
  links.clear();
  paths.Finish(build);
  FATHOM_RETURN_IF_ERROR(merger.Add(links));
  FATHOM_RETURN_IF_ERROR(merger.Drain([&](std::span<const Link> rows) {
    for (const Link& row : rows) ++(row.gap == 0 ? stats.links : stats.gaps);
    return writer.WriteLinks(rows);
  }));
  stats.holes = census.Finish();
  stats.spilled_runs = merger.spilled_runs();
  return stats;
}

}  // namespace fathom
