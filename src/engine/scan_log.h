#ifndef FATHOM_SRC_ENGINE_SCAN_LOG_H_
#define FATHOM_SRC_ENGINE_SCAN_LOG_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/strategy.h"
#include "fathom/targets.h"
#include "src/engine/journal.h"
#include "src/engine/manifest.h"
#include "src/engine/resume.h"
#include "src/engine/scan.h"
#include "src/engine/spool_record.h"
#include "src/links/reply_spool.h"

namespace fathom {

// All that a scan writes while it runs: its replies, the journals of its lanes,
// and marks of how far it is, in one spool. And what an earlier run wrote, for
// one that goes on.
//
// One thread, but for the inlets and journals, which belong to their lanes.
class ScanLog {
 public:
  struct Parts {
    const ScanOptions& options;
    const TargetSet& targets;
    const PrefixSet& forbidden;
    size_t lanes;
    Instant start;  // Of this run.
  };

  // Makes NAME.partial, or goes on with it if the options say so.
  static absl::StatusOr<std::unique_ptr<ScanLog>> Open(const Parts& parts);

  ReplySpool& spool() { return *spool_; }

  // When the first run began.
  Instant scan_start() const { return record_.start; }

  // As they were when the first run began.
  const std::string& configuration() const { return record_.configuration; }
  const PrefixSet& forbidden() const { return record_.forbidden; }

  // The counts of the runs before this one, of what counts.
  const ScanCounts& before() const { return point_.counts; }
  // Adds what they lost, and counted besides what went by way of the lanes.
  void AddRunsBefore(ScanCounts& counts) const;
  uint64_t sent_before_pass() const { return point_.sent_before_pass; }

  // When the scan was resumed, this time included.
  const std::vector<Resumption>& resumed() const { return resumed_; }

  // The pass to begin with.
  uint32_t first_pass() const { return point_.pass; }

  // Writes down from now on what the lane's strategy does; takes it first to
  // where it was when the scan ended, if that was in this pass.
  absl::StatusOr<std::unique_ptr<Journal>> Keep(
      std::unique_ptr<Strategy> strategy, size_t lane, Instant now);

  // Notes that nobody sends or hears, and another pass begins. Does nothing for
  // the first one of a scan that is resumed, which began before.
  void BeginPass(uint32_t pass, Instant now, const ScanCounts& counts);

  // The spool as it was when this pass began.
  absl::StatusOr<std::unique_ptr<SpoolReader>> ReadBeside(Instant now);

  // Notes how far the scan is, now and then; `often` in the cooldown.
  void Note(Instant now, bool often, absl::FunctionRef<ScanCounts()> counts);

 private:
  explicit ScanLog(const Parts& parts) : parts_(parts) {}

  absl::Status Create();
  absl::Status Resume();
  absl::Status CheckSame(const ScanRecord& record) const;
  void AddMark(FrameKind kind, Instant now, const ScanMark& mark);

  const Parts parts_;
  std::unique_ptr<ReplySpool> spool_;
  ScanRecord record_;
  ResumePoint point_;
  std::vector<Resumption> resumed_;
  uint32_t pass_ = 0;
  std::optional<Instant> noted_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_SCAN_LOG_H_
