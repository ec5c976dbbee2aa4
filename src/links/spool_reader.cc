#include "src/links/spool_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// Read at least this much at once: while walking over headers, small frames
// then share a system call, and large ones cost one page each.
constexpr size_t kReadAhead = 4096;

// How much is looked through at once for the next good frame.
constexpr size_t kSearchWindow = 1 << 18;

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolReader>> SpoolReader::Open(
    const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(OpenSpool spool, OpenLocked(path, O_RDONLY));
  return Make(std::move(spool), path);
}

absl::StatusOr<std::unique_ptr<SpoolReader>> SpoolReader::OpenBeside(
    const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(OpenSpool spool, OpenUnlocked(path));
  return Make(std::move(spool), path);
}

absl::StatusOr<std::unique_ptr<SpoolReader>> SpoolReader::Make(
    OpenSpool spool, const std::string& path) {
  std::unique_ptr<SpoolReader> reader(
      new SpoolReader(std::move(spool.fd), path, spool.size));
  FATHOM_RETURN_IF_ERROR(reader->Scan());
  return reader;
}

SpoolReader::SpoolReader(UniqueFd fd, std::string path, uint64_t size)
    : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

uint64_t SpoolReader::records(size_t bucket) const {
  uint64_t sum = 0;
  for (const Frame& frame : frames_[bucket]) sum += frame.records;
  return sum;
}

uint64_t SpoolReader::records() const {
  uint64_t sum = 0;
  for (size_t bucket = 0; bucket < buckets(); ++bucket) sum += records(bucket);
  return sum;
}

absl::Status SpoolReader::ReadFrames(size_t bucket, Sink sink) {
  for (Frame& frame : frames_[bucket]) {
    if (frame.records == 0 || frame.offset >= hidden_from_) continue;
    FATHOM_ASSIGN_OR_RETURN(const bool good, ReadFrame(bucket, frame));
    if (good) {
      FATHOM_RETURN_IF_ERROR(sink(replies_));
    } else {
      ++damage_.bad_frames;
      damage_.bad_records += std::exchange(frame.records, 0);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ReplyBuffer> SpoolReader::ReadBucket(size_t bucket) {
  ReplyBuffer all;
  all.Reserve(records(bucket));
  FATHOM_RETURN_IF_ERROR(
      ReadFrames(bucket, [&all](std::span<const Reply> replies) {
        for (const Reply& reply : replies) all.Add(reply);
        return absl::OkStatus();
      }));
  return all;
}

// Walks over all frames. Where no frame stands, looks for the next one; what
// lies between is lost, and what lies after the last one is a torn tail.
absl::Status SpoolReader::Scan() {
  FATHOM_RETURN_IF_ERROR(ScanHead());
  uint64_t offset = end_;
  while (offset < size_ && !summary_) {
    FATHOM_ASSIGN_OR_RETURN(auto header, HeaderAt(offset));
    if (!header) {
      FATHOM_ASSIGN_OR_RETURN(const auto next, FindFrame(offset + 1));
      if (!next) break;
      offset = *next;
      continue;
    }
    const uint64_t next = offset + kFrameHeaderSize + header->size;
    if (header->kind == FrameKind::kEnd) {
      FATHOM_RETURN_IF_ERROR(TakeEnd(*header, offset));
      if (!summary_) break;
      FATHOM_ASSIGN_OR_RETURN(const bool resumed, IsResumedAt(next));
      if (resumed) {
        FATHOM_RETURN_IF_ERROR(TakeNote(*header, offset));
        summary_.reset();
      }
    } else if (!HoldsReplies(header->kind)) {
      FATHOM_RETURN_IF_ERROR(TakeNote(*header, offset));
    } else {
      frames_[header->bucket].push_back(
          {.offset = offset, .size = header->size, .records = header->records});
      last_sealed_ =
          std::max(last_sealed_.value_or(header->sealed), header->sealed);
    }
    damage_.lost_bytes += offset - end_;
    offset = end_ = next;
  }
  damage_.cut_bytes = size_ - end_;
  return absl::OkStatus();
}

// Whether a good resume frame stands there.
absl::StatusOr<bool> SpoolReader::IsResumedAt(uint64_t offset) {
  FATHOM_ASSIGN_OR_RETURN(const auto header, HeaderAt(offset));
  return header && header->kind == FrameKind::kResume;
}

absl::Status SpoolReader::TakeNote(const FrameHeader& header, uint64_t offset) {
  const Note note = {.offset = offset,
                     .kind = header.kind,
                     .lane = header.bucket,
                     .size = header.size,
                     .time = header.sealed};
  if (header.kind != FrameKind::kEnd) {
    last_sealed_ = std::max(last_sealed_.value_or(note.time), note.time);
  }
  if (header.kind == FrameKind::kResume) {
    const auto payload = ReadNote(note);
    // What it cannot say any more cannot be acted on.
    if (!payload.ok() || payload->size() < sizeof(int64_t)) {
      damage_.lost_bytes += kFrameHeaderSize + header.size;
      return absl::OkStatus();
    }
    runs_.back().cut = Instant(Nanos(Load<int64_t>(*payload)));
    runs_.push_back(
        {.offset = offset, .start = note.time, .cut = Instant::max()});
  }
  notes_.push_back(note);
  return absl::OkStatus();
}

absl::StatusOr<std::span<const std::byte>> SpoolReader::ReadNote(
    const Note& note, size_t most) {
  const size_t size = kFrameHeaderSize + std::min<size_t>(note.size, most);
  FATHOM_ASSIGN_OR_RETURN(const auto bytes, Read(note.offset, size));
  if (bytes.size() < size) {
    return absl::DataLossError(absl::StrCat(path_, ": it was cut off"));
  }
  const auto payload = bytes.subspan(kFrameHeaderSize);
  if (most < note.size) return payload;
  const auto header = LoadFrameHeader(bytes);
  if (!header || SpoolHash(payload) != header->payload_hash) {
    return absl::DataLossError(
        absl::StrCat(path_, ": the note at byte ", note.offset, " is damaged"));
  }
  return payload;
}

// Whether a reply in the frame at `offset` counts: not if its probe was sent
// again by a later run.
bool SpoolReader::Counts(const Reply& reply, uint64_t offset) const {
  // No time before 1970 is true, and none may overflow.
  if (reply.rtt < Nanos(0) || reply.received < Instant()) return true;
  const Instant sent = reply.received - reply.rtt;
  size_t run = runs_.size() - 1;
  while (run > 0 && (runs_[run].offset > offset || runs_[run].start > sent)) {
    --run;
  }
  return sent < runs_[run].cut;
}

absl::Status SpoolReader::ScanHead() {
  const auto explain = [this](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat("read the spool ", path_,
                                                    ": ", status.message()));
  };
  FATHOM_ASSIGN_OR_RETURN(const auto begin, Read(0, kSpoolHeadSize));
  const auto size = HeadSize(begin);
  if (!size.ok()) return explain(size.status());
  FATHOM_ASSIGN_OR_RETURN(const auto bytes, Read(0, *size));
  if (bytes.size() < *size) {
    return explain(absl::DataLossError("its head is cut off"));
  }
  auto head = ReadHead(bytes);
  if (!head.ok()) return explain(head.status());
  buckets_ = BucketMap(std::move(head->boundaries));
  metadata_ = std::move(head->metadata);
  frames_.resize(buckets_.size());
  runs_.push_back(
      {.offset = 0, .start = Instant::min(), .cut = Instant::max()});
  end_ = *size;
  return absl::OkStatus();
}

// The header at `offset`, if a good frame may begin there.
absl::StatusOr<std::optional<FrameHeader>> SpoolReader::HeaderAt(
    uint64_t offset) {
  FATHOM_ASSIGN_OR_RETURN(const auto bytes, Read(offset, kFrameHeaderSize));
  if (bytes.size() < kFrameHeaderSize) return std::nullopt;
  auto header = LoadFrameHeader(bytes);
  if (header && !Fits(*header, offset)) header.reset();
  return header;
}

bool SpoolReader::Fits(const FrameHeader& header, uint64_t offset) const {
  return size_ - offset >= kFrameHeaderSize + uint64_t{header.size} &&
         (!HoldsReplies(header.kind) || header.bucket < frames_.size());
}

absl::StatusOr<std::optional<uint64_t>> SpoolReader::FindFrame(uint64_t from) {
  while (from + kFrameHeaderSize <= size_) {
    FATHOM_ASSIGN_OR_RETURN(const auto window, Read(from, kSearchWindow));
    size_t at = FindFrameMagic(window, 0);
    while (at + kFrameHeaderSize <= window.size()) {
      const auto header = LoadFrameHeader(window.subspan(at));
      if (header && Fits(*header, from + at)) return from + at;
      at = FindFrameMagic(window, at + 1);
    }
    if (window.size() < kSearchWindow) break;
    from += at;
  }
  return std::nullopt;
}

absl::Status SpoolReader::TakeEnd(const FrameHeader& header, uint64_t offset) {
  FATHOM_ASSIGN_OR_RETURN(const auto payload,
                          Read(offset + kFrameHeaderSize, header.size));
  if (payload.size() == header.size &&
      SpoolHash(payload) == header.payload_hash) {
    summary_.emplace(reinterpret_cast<const char*>(payload.data()),
                     payload.size());
  }
  return absl::OkStatus();
}

// The bytes from `offset` on: `size` of them, or what there is. Valid until the
// next Read().
absl::StatusOr<std::span<const std::byte>> SpoolReader::Read(uint64_t offset,
                                                             size_t size) {
  if (offset < bytes_offset_ || offset + size > bytes_offset_ + bytes_.size()) {
    bytes_.resize(std::max(size, kReadAhead));
    bytes_offset_ = offset;
    size_t filled = 0;
    while (filled < bytes_.size()) {
      const ssize_t got =
          pread(fd_.get(), bytes_.data() + filled, bytes_.size() - filled,
                static_cast<off_t>(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        bytes_.clear();
        return absl::ErrnoToStatus(errno,
                                   absl::StrCat("read the spool ", path_));
      }
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    bytes_.resize(filled);
  }
  const auto all = std::span<const std::byte>(bytes_).subspan(
      static_cast<size_t>(offset - bytes_offset_));
  return all.first(std::min(size, all.size()));
}

// Reads one frame into replies_; false if it is bad.
absl::StatusOr<bool> SpoolReader::ReadFrame(size_t bucket, const Frame& frame) {
  const size_t size = kFrameHeaderSize + frame.size;
  FATHOM_ASSIGN_OR_RETURN(const auto bytes, Read(frame.offset, size));
  if (bytes.size() < size) return false;
  const auto header = LoadFrameHeader(bytes);
  const auto payload = bytes.subspan(kFrameHeaderSize);
  // The file may have changed since it was opened, so all is checked again.
  if (!header || header->size != frame.size || !HoldsReplies(header->kind) ||
      SpoolHash(payload) != header->payload_hash) {
    return false;
  }
  const RecordWidth width = WidthOf(header->kind);
  const uint64_t unpacked =
      ZSTD_getFrameContentSize(payload.data(), payload.size());
  // Also if it is not told, which is a very large number.
  if (unpacked > kMaxFrameBytes) return false;
  records_.resize(unpacked);
  if (ZSTD_decompress(records_.data(), records_.size(), payload.data(),
                      payload.size()) != records_.size()) {
    return false;
  }
  replies_.clear();
  if (!DecodeRecords(records_, width, frame.records, replies_) ||
      !std::all_of(replies_.begin(), replies_.end(),
                   [this, bucket](const Reply& reply) {
                     return buckets_.Find(reply.probe.target) == bucket;
                   })) {
    return false;
  }
  if (runs_.size() > 1 || runs_.back().cut != Instant::max()) {
    replies_.erase(std::remove_if(replies_.begin(), replies_.end(),
                                  [this, &frame](const Reply& reply) {
                                    return !Counts(reply, frame.offset);
                                  }),
                   replies_.end());
  }
  return true;
}

}  // namespace fathom
