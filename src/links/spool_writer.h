#ifndef FATHOM_SRC_LINKS_SPOOL_WRITER_H_
#define FATHOM_SRC_LINKS_SPOOL_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/links/reply_buffer.h"
#include "src/links/spool_file.h"
#include "src/links/spool_format.h"

struct ZSTD_CCtx_s;

namespace fathom {

// Replies of one bucket on their way to the file; or a note, which has no
// replies.
struct SpoolBuffer {
  uint32_t bucket = 0;
  Instant opened;  // When the first reply went in.
  Instant sealed;
  ReplyBuffer replies;
  FrameKind kind = FrameKind::kNarrow;  // Of a note.
  std::vector<std::byte> note;

  bool is_note() const { return !HoldsReplies(kind); }
};

struct SpoolCounters {
  uint64_t records = 0;  // Replies that are in the file.
  uint64_t lost = 0;     // Replies that came after, or in, a failed write.
  uint64_t frames = 0;
  uint64_t bytes = 0;  // Size of the file, its head included.
  uint64_t waits = 0;  // Times that no buffer was free.
};

struct SpoolWriterOptions {
  size_t buffers = 16;           // How many there are in all.
  size_t buffer_records = 4096;  // Replies that a buffer has room for.
  bool sync_on_flush = false;    // fdatasync after every write.
};

// The thread that compresses sealed buffers into frames and appends them, many
// frames a write.
//
// Buffers come from a pool of fixed size and return to it, which bounds both
// the queue and the memory. Whoever asks for a buffer when none is free waits
// for the disk: nothing that was received is thrown away here, and if the disk
// stays behind, the kernel's receive buffer fills and counts what it drops.
//
// The first failed write is latched. From then on buffers are emptied, their
// replies counted as lost, and the file is left as it is: all frames before
// the failure stay readable.
//
// All calls but Close() may come from any thread.
class SpoolWriter {
 public:
  // REQUIRES: options.buffers exceeds the number of buffers that callers hold
  // unsubmitted at any time, else Acquire() may wait for ever.
  static absl::StatusOr<std::unique_ptr<SpoolWriter>> Create(
      const std::string& path, const SpoolHead& head,
      const SpoolWriterOptions& options);

  // Writes what was submitted, but no end frame.
  ~SpoolWriter();

  // An empty buffer with room for buffer_records replies.
  std::unique_ptr<SpoolBuffer> Acquire();

  // REQUIRES: the buffer holds between one and buffer_records replies.
  void Submit(std::unique_ptr<SpoolBuffer> buffer);

  // Appends a note behind all that was submitted. Waits while more than
  // kMaxNotes bytes of notes wait for the disk.
  // REQUIRES: !HoldsReplies(kind), and payload.size() <= kMaxMetadata.
  void SubmitNote(FrameKind kind, uint32_t bucket, Instant sealed,
                  std::vector<std::byte> payload);
  static constexpr size_t kMaxNotes = 64 << 20;

  // Goes on in the spool `path`, whose first `keep` bytes are good, as
  // SpoolReader::end() tells.
  static absl::StatusOr<std::unique_ptr<SpoolWriter>> Reopen(
      const std::string& path, uint64_t keep,
      const SpoolWriterOptions& options);

  // Waits until all that was submitted is in the file, or was lost to an error.
  // REQUIRES: nobody submits meanwhile.
  void Flush();

  // Waits for all that was submitted, writes the end frame with `summary`,
  // syncs and unlocks the file. The latched error, if there is one. Once.
  absl::Status Close(const std::string& summary);

  // OK, or what went wrong first.
  absl::Status status() const;
  SpoolCounters counters() const;

 private:
  using Batch = std::vector<std::unique_ptr<SpoolBuffer>>;
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  // A frame that stands in bytes_.
  struct Pending {
    size_t end;  // In bytes_.
    uint64_t records;
  };

  SpoolWriter(SpoolFile file, const SpoolWriterOptions& options);

  // The thread's work.
  void Run();
  void Write(Batch& batch);
  void AppendFrame(const SpoolBuffer& buffer);
  void AppendNote(const SpoolBuffer& note);
  void Forget(std::unique_ptr<SpoolBuffer> note);
  void WritePending();
  void Recycle(std::unique_ptr<SpoolBuffer> buffer, bool lost);
  void StopThread();

  const SpoolWriterOptions options_;

  mutable std::mutex mutex_;
  // The fields down to the next gap are guarded by mutex_.
  std::condition_variable submitted_;
  std::condition_variable freed_;
  std::condition_variable flushed_;
  Batch queue_;
  Batch free_;
  size_t note_bytes_ = 0;  // Of notes that wait.
  size_t made_ = 0;  // Buffers made so far: they are made when first needed.
  bool closing_ = false;
  bool writing_ = false;  // The thread has taken what was submitted.
  absl::Status status_;
  SpoolCounters counters_;

  // Used by the thread, and by Close() after it has ended.
  SpoolFile file_;
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
  std::vector<std::byte> records_;
  std::vector<std::byte> bytes_;
  std::vector<Pending> pending_;

  std::jthread thread_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SPOOL_WRITER_H_
