#ifndef FATHOM_SRC_ENGINE_SPOOL_RECORD_H_
#define FATHOM_SRC_ENGINE_SPOOL_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/engine/manifest.h"
#include "src/links/spool_reader.h"

namespace fathom {

// What a scan writes into its spool of itself, as JSON: what it is, how it
// ended, and in between how far it is.

// What a spool keeps from its start for whoever recovers it.
std::string MakeSpoolMetadata(const ScanRecord& record);

// What a spool is given at its end: how the scan ended, when, and its counts.
// REQUIRES: record.counts and record.sending_end are there.
std::string MakeSpoolSummary(const ScanRecord& record);

// What a scan notes between its replies for a resumed one, as JSON: at which
// pass it is, what it has counted, and when it was resumed.
struct ScanMark {
  // Of a resume: segments of the run before that are of earlier turns count.
  static constexpr uint64_t kAllTurns = UINT64_MAX;

  bool begins_pass = false;
  uint32_t pass = 0;
  uint64_t turns = kAllTurns;
  Instant heard_until{};
  ScanCounts counts{};
  std::vector<Resumption> resumed{};
};
std::string MakeMark(const ScanMark& mark);
absl::StatusOr<ScanMark> ReadMark(const std::string& text);

// REQUIRES: the note is a mark or a resume of the spool.
absl::StatusOr<ScanMark> ReadMarkAt(SpoolReader& spool,
                                    const SpoolReader::Note& note);

// The record of a scan that is known by its spool: from the metadata, and from
// the summary if the scan lived to write one. The rest stays at its default.
absl::StatusOr<ScanRecord> ReadSpoolRecord(
    const std::string& metadata, const std::optional<std::string>& summary);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_SPOOL_RECORD_H_
