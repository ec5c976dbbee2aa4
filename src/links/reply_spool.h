#ifndef FATHOM_SRC_LINKS_REPLY_SPOOL_H_
#define FATHOM_SRC_LINKS_REPLY_SPOOL_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/links/bucket_map.h"
#include "src/links/spool_inlet.h"
#include "src/links/spool_writer.h"

namespace fathom {

struct SpoolOptions {
  // Where one bucket of targets ends and the next begins; ascending. See
  // EvenBoundaries() in bucket_map.h.
  std::vector<IpAddress> boundaries{};
  // Kept in the file for whoever recovers it: the scan's configuration.
  std::string metadata{};
  size_t buffer_records = 4096;
  size_t inlets = 1;  // How many receivers there are.
  Nanos flush_interval = std::chrono::seconds(1);
  // fdatasync at every flush. A killed scan loses nothing that was flushed
  // even without; this is for machines that lose power.
  bool sync_on_flush = false;
};

// Where replies go while a scan runs: one append-only file that survives
// whatever happens to the process. The bytes are in spool_format.h.
//
// Each receiver has an inlet of its own (see spool_inlet.h), and all share the
// thread that writes. A kill loses at most the last flush interval. Time is
// what the receivers hand in, so the spool works in virtual time too. There the
// writer's pace decides nothing but the order of frames, and that does not show
// in the dataset, which is sorted.
//
// Memory: 2 x buckets x inlets + 8 buffers at most, of 80 bytes a reply, made
// as needed: with 64 buckets of 4096 replies, 36 MB. A file of n frames costs
// its reader 16 n bytes, so do not take many more buckets than memory for the
// final sort asks for: at low rates every bucket makes a frame each flush
// interval.
//
// Flush(), Close() and the destructor belong to one thread, once no inlet is in
// use; others may ask status() and counters() at any time.
class ReplySpool {
 public:
  // AlreadyExists if the file holds anything, FailedPrecondition if a running
  // scan holds it, InvalidArgument for options that make no sense.
  static absl::StatusOr<std::unique_ptr<ReplySpool>> Create(
      const std::string& path, const SpoolOptions& options);

  // Goes on in a spool that was left, behind its first `keep` bytes, which are
  // good. REQUIRES: the boundaries are those of the spool.
  static absl::StatusOr<std::unique_ptr<ReplySpool>> Reopen(
      const std::string& path, uint64_t keep, const SpoolOptions& options);

  // Without Close() the replies are written, but the file says that the scan
  // did not end well.
  ~ReplySpool();

  // REQUIRES: index < options.inlets.
  SpoolInlet& inlet(size_t index) { return inlets_[index]; }

  // Writes a note into the file behind all replies that were received before
  // heard_until(). Any thread. See SpoolWriter::SubmitNote().
  void AddNote(FrameKind kind, uint32_t lane, Instant now,
               std::vector<std::byte> payload) {
    writer_->SubmitNote(kind, lane, now, std::move(payload));
  }

  // All that was consumed before this time will stand in the file before any
  // note that is added from now on. Any thread.
  Instant heard_until() const;

  // Puts all that was consumed into the file, for SpoolReader::OpenBeside().
  // More may be consumed afterwards. The latched error, if any.
  // REQUIRES: no inlet is in use meanwhile.
  absl::Status Flush(Instant now);

  // Flushes, waits for the writer, adds `summary` (the final counters) as the
  // end of the file, and syncs and unlocks it. The latched error, if any.
  // Nothing may be consumed afterwards.
  absl::Status Close(Instant now, const std::string& summary);

  // OK, or the first write error. The scan goes on after one, but what it
  // hears is counted as lost: ask now and then.
  absl::Status status() const { return writer_->status(); }
  SpoolCounters counters() const { return writer_->counters(); }

 private:
  ReplySpool(const SpoolOptions& options, std::unique_ptr<SpoolWriter> writer);

  const BucketMap buckets_;
  const std::unique_ptr<SpoolWriter> writer_;
  std::deque<SpoolInlet> inlets_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_REPLY_SPOOL_H_
