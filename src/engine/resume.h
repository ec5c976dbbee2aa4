#ifndef FATHOM_SRC_ENGINE_RESUME_H_
#define FATHOM_SRC_ENGINE_RESUME_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "src/engine/journal.h"
#include "src/engine/manifest.h"
#include "src/links/spool_reader.h"

namespace fathom {

// Where a scan goes on, as its spool tells.
//
// A scan that ended early but in order goes on where it stopped. One that was
// killed goes on from the end of a turn (see journal.h) so far back that what
// answers its probes had time to arrive and to reach the file; what was sent
// since is sent again, and counts only then.

// A resume frame is dated by so much before its run began, as packets may tell
// a time of sending a little too early.
inline constexpr Nanos kRunMargin = std::chrono::milliseconds(1);

struct LaneResume {
  // Segments to replay, in order: of this pass, over all runs.
  std::vector<SpoolReader::Note> segments;
  // Replies that came after these, to probes in them.
  std::vector<Reply> late;
};

struct ResumePoint {
  uint64_t end = 0;  // Of what is good in the spool.
  uint32_t pass = 0;
  // Where in the spool this pass begins: what it asks was chosen by what stands
  // before.
  uint64_t pass_offset = UINT64_MAX;
  std::vector<LaneResume> lanes;
  // Of the last run count turns before this one, and probes before this time.
  uint64_t turns = 0;
  Instant cut{};
  // With what was sent of this pass, and planned by those before it.
  ScanCounts counts{};
  uint64_t sent_before_pass = 0;
  std::vector<Resumption> resumed{};  // Before this one.
  uint64_t sent_again = 0;            // By this one, as far as is known.
};

// `patience` is how long after it was sent a probe may be answered.
// FailedPrecondition if this spool has no journal.
absl::StatusOr<ResumePoint> FindResumePoint(SpoolReader& spool,
                                            const ScanRecord& record,
                                            Nanos patience);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_RESUME_H_
