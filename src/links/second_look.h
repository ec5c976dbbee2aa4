#ifndef FATHOM_SRC_LINKS_SECOND_LOOK_H_
#define FATHOM_SRC_LINKS_SECOND_LOOK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/links/spool_reader.h"

namespace fathom {

// A second look at what a scan has heard so far: which cells are worth another
// probe. It asks only the spool, so it is the same for every strategy, and
// sees paths in the order of the dataset, so what it asks does not depend on
// the order in which replies came.
//
// Each look reads the spool twice: to learn what all paths know together, and
// to choose. Memory: 2 or 3 bytes for each reply, at most 400 MB, and 8 for
// each question, besides what sorting a bucket takes.

// A cell to ask again: of an IPv4 target, which need not be one of the list.
struct Question {
  uint32_t target = 0;
  uint16_t flow = 0;
  uint8_t ttl = 0;

  Probe probe() const {
    return {IpAddress::V4(target), Ttl(ttl), FlowId(flow)};
  }
  friend auto operator<=>(const Question&, const Question&) = default;
};

struct LookOptions {
  size_t max_questions = size_t{32} << 20;  // 256 MB.
  bool silent_places = true;                // See LookForHoles().
  size_t max_bucket_records = 4'000'000;    // As for building the dataset.
  Nanos max_interval = std::chrono::hours(1);
};

struct Look {
  std::vector<Question> questions;  // Each once, by target, flow and TTL.
  uint64_t left_out = 0;            // Because there were too many.
};

// Holes (see hole_census.h) to repair. Where somebody is known to answer at the
// place: the first kRepairsPerPlace holes there, as a router that answers none
// of so many limits its answers and would answer no more of others; the next
// look has those that are left. Elsewhere, if options.silent_places, one of the
// place's holes, to learn if anybody answers.
inline constexpr int kRepairsPerPlace = 64;
absl::StatusOr<Look> LookForHoles(SpoolReader& spool,
                                  const LookOptions& options);

// Both cells of links that no path confirms (see link_builder.h), on one path
// each: the first that could. Not of links that would be doubtful all the same.
// Besides, cells whose answers have changed, until they have settled or have
// changed back.
absl::StatusOr<Look> LookForDoubts(SpoolReader& spool,
                                   const LookOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SECOND_LOOK_H_
