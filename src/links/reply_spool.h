#ifndef FATHOM_SRC_LINKS_REPLY_SPOOL_H_
#define FATHOM_SRC_LINKS_REPLY_SPOOL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/reply_sink.h"
#include "src/links/bucket_map.h"
#include "src/links/spool_writer.h"

namespace fathom {

struct SpoolOptions {
  // Where one bucket of targets ends and the next begins; ascending. See
  // EvenBoundaries() in bucket_map.h.
  std::vector<IpAddress> boundaries{};
  // Kept in the file for whoever recovers it: the scan's configuration.
  std::string metadata{};
  size_t buffer_records = 4096;
  Nanos flush_interval = std::chrono::seconds(1);
  // fdatasync at every flush. A killed scan loses nothing that was flushed
  // even without; this is for machines that lose power.
  bool sync_on_flush = false;
};

// Where replies go while a scan runs: one append-only file that survives
// whatever happens to the process. The bytes are in spool_format.h.
//
// Replies are dealt into buckets by target (see bucket_map.h), one buffer a
// bucket. A buffer that is full, or whose first reply came a flush interval
// ago, is sealed and goes to the writer's thread; so a kill loses at most the
// last flush interval. Time is what the receiver hands in, so the spool works
// in virtual time too. There the writer's pace decides nothing but the order
// of frames, and that does not show in the dataset, which is sorted.
//
// Memory: 2 x buckets + 8 buffers at most, of 64 bytes a reply, made as needed:
// with 64 buckets of 4096 replies, 36 MB. A file of n frames costs its reader
// 16 n bytes, so do not take many more buckets than memory for the final sort
// asks for: at low rates every bucket makes a frame each flush interval.
//
// Consume(), Flush() and Close() belong to one thread; others may ask status()
// and counters().
class ReplySpool final : public ReplySink {
 public:
  // AlreadyExists if the file holds anything, FailedPrecondition if a running
  // scan holds it, InvalidArgument for options that make no sense.
  static absl::StatusOr<std::unique_ptr<ReplySpool>> Create(
      const std::string& path, const SpoolOptions& options);

  // Without Close() the replies are written, but the file says that the scan
  // did not end well.
  ~ReplySpool() override;

  // Waits only if all buffers wait for the disk.
  void Consume(Instant now, std::span<const Reply> replies) override;

  // Hands all that is buffered to the writer, whatever its age.
  void Flush(Instant now);

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

  void Begin(size_t bucket, Instant now);
  void Seal(size_t bucket, Instant now);
  void FlushOlder(Instant now, Nanos age);

  const size_t buffer_records_;
  const Nanos flush_interval_;
  const BucketMap buckets_;
  const std::unique_ptr<SpoolWriter> writer_;
  // One for each bucket; null until a reply comes.
  std::vector<std::unique_ptr<SpoolBuffer>> open_;
  // No open buffer was begun before this; nullopt if none is open.
  std::optional<Instant> oldest_;
  Instant last_now_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_REPLY_SPOOL_H_
