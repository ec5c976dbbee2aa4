#ifndef FATHOM_SRC_LINKS_SPOOL_READER_H_
#define FATHOM_SRC_LINKS_SPOOL_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/base/unique_fd.h"
#include "src/links/bucket_map.h"
#include "src/links/reply_buffer.h"
#include "src/links/spool_file.h"
#include "src/links/spool_format.h"

namespace fathom {

// What a spool has lost, if its scan or its disk died.
struct SpoolDamage {
  uint64_t cut_bytes = 0;    // After the last good frame: a torn tail.
  uint64_t lost_bytes = 0;   // Between good frames: damaged headers.
  uint64_t bad_frames = 0;   // Headers were good, payloads were not ...
  uint64_t bad_records = 0;  // ... and this is what they held.

  friend bool operator==(const SpoolDamage&, const SpoolDamage&) = default;
};

// Reads a spool, whole or torn, bucket by bucket.
//
// Opening walks over the frame headers and keeps 16 bytes a frame; payloads are
// read and checked when asked for. Any bytes are safe: a frame is believed only
// if the hashes of its header and of its payload hold, and if every target in
// it belongs to its bucket, so buckets in order are in the order of targets
// whatever the file. Behind damage the next good frame is searched for.
//
// Of a scan that was resumed the spool holds several runs. A run goes on from a
// moment before the end of the one before it (the resume frame says which), so
// probes that the earlier run sent after that moment are sent again, and the
// answers to their first sending are left out here: each probe counts once. A
// reply tells when its probe was sent; where it does not, it is kept.
//
// The file stays locked as long as the reader lives, but for OpenBeside(). One
// thread.
class SpoolReader {
 public:
  using Sink = absl::FunctionRef<absl::Status(std::span<const Reply>)>;

  // FailedPrecondition while a scan or another reader holds the file;
  // InvalidArgument if it is no spool; DataLoss if its head is damaged.
  static absl::StatusOr<std::unique_ptr<SpoolReader>> Open(
      const std::string& path);

  // Opens a spool that this process is writing, without the lock: it has the
  // frames that were in the file by now. For the scan itself, between passes.
  static absl::StatusOr<std::unique_ptr<SpoolReader>> OpenBeside(
      const std::string& path);

  const std::string& metadata() const { return metadata_; }

  // A note that stands between the replies: 40 bytes for each are kept.
  struct Note {
    uint64_t offset;  // Of the frame in the file.
    FrameKind kind;   // The end of a run that was resumed is one, too.
    uint32_t lane;
    uint32_t size;  // Of the payload.
    Instant time;
  };

  // In the order of the file.
  std::span<const Note> notes() const { return notes_; }

  // The first `most` bytes of a note, or all; valid until the next call of any
  // kind. Where all are asked for they are checked: DataLoss if they are bad.
  absl::StatusOr<std::span<const std::byte>> ReadNote(const Note& note,
                                                      size_t most = SIZE_MAX);

  // Where the last good frame ends, or that before the end frame: here a scan
  // goes on.
  uint64_t end() const { return end_; }

  // Leaves out replies whose frames stand at or behind `offset`.
  void HideFrom(uint64_t offset) { hidden_from_ = offset; }

  // Leaves out what answers probes that the last run sent from `cut` on, as if
  // a resume frame had said so.
  void CutLastRun(Instant cut) { runs_.back().cut = cut; }

  const std::vector<IpAddress>& boundaries() const {
    return buckets_.boundaries();
  }

  // What Close() was given; nullopt if the scan did not end well.
  const std::optional<std::string>& summary() const { return summary_; }

  // When the last frame was sealed; nullopt if there is none.
  std::optional<Instant> last_sealed() const { return last_sealed_; }

  size_t buckets() const { return buckets_.size(); }

  // As the headers of the frames say; less once frames turn out to be bad, and
  // less of what does not count.
  uint64_t records(size_t bucket) const;
  uint64_t records() const;

  // Payload damage is known only for frames that have been read.
  const SpoolDamage& damage() const { return damage_; }

  // Hands over the replies of one bucket, a frame at a time, in the order of
  // the file. The replies are valid during the call. Frames that turn out to
  // be bad are left out and counted, once.
  absl::Status ReadFrames(size_t bucket, Sink sink);

  // All replies of one bucket.
  absl::StatusOr<ReplyBuffer> ReadBucket(size_t bucket);

 private:
  struct Frame {
    uint64_t offset;
    uint32_t size;     // Of the payload.
    uint32_t records;  // 0 once found bad.
  };

  // From where on the frames are of one run of the scan, when it began, and
  // from when on its probes do not count.
  struct Run {
    uint64_t offset;
    Instant start;
    Instant cut;
  };

  static absl::StatusOr<std::unique_ptr<SpoolReader>> Make(
      OpenSpool spool, const std::string& path);

  SpoolReader(UniqueFd fd, std::string path, uint64_t size);

  absl::Status Scan();
  absl::Status ScanHead();
  absl::StatusOr<std::optional<FrameHeader>> HeaderAt(uint64_t offset);
  absl::StatusOr<std::optional<uint64_t>> FindFrame(uint64_t from);
  absl::Status TakeEnd(const FrameHeader& header, uint64_t offset);
  absl::Status TakeNote(const FrameHeader& header, uint64_t offset);
  absl::StatusOr<bool> IsResumedAt(uint64_t offset);
  bool Counts(const Reply& reply, uint64_t offset) const;
  bool Fits(const FrameHeader& header, uint64_t offset) const;
  absl::StatusOr<std::span<const std::byte>> Read(uint64_t offset, size_t size);
  absl::StatusOr<bool> ReadFrame(size_t bucket, const Frame& frame);

  const UniqueFd fd_;
  const std::string path_;
  const uint64_t size_;
  uint64_t end_ = 0;  // Of the last good frame.
  BucketMap buckets_{{}};
  std::string metadata_;
  std::optional<std::string> summary_;
  std::optional<Instant> last_sealed_;
  SpoolDamage damage_;
  std::vector<std::vector<Frame>> frames_;  // By bucket.
  std::vector<Note> notes_;
  std::vector<Run> runs_;
  uint64_t hidden_from_ = UINT64_MAX;

  // Room for one frame: as it stands in the file, unpacked, and as replies.
  std::vector<std::byte> bytes_;
  uint64_t bytes_offset_ = 0;  // Where in the file bytes_ begins.
  std::vector<std::byte> records_;
  std::vector<Reply> replies_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SPOOL_READER_H_
