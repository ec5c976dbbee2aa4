#include "src/links/spool_writer.h"

#include <zstd.h>

#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// Frames are written together up to this many bytes: large enough that the
// system call is lost in the work, small enough to stay near.
constexpr size_t kWriteBytes = 1 << 20;
constexpr int kLevel = 1;

}  // namespace

void SpoolWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

absl::StatusOr<std::unique_ptr<SpoolWriter>> SpoolWriter::Create(
    const std::string& path, const SpoolHead& head,
    const SpoolWriterOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(SpoolFile file, SpoolFile::Create(path));
  std::vector<std::byte> bytes;
  AppendHead(head, bytes);
  if (absl::Status status = file.Append(bytes); !status.ok()) {
    file.Clear();
    return status;
  }
  return std::unique_ptr<SpoolWriter>(
      new SpoolWriter(std::move(file), options));
}

absl::StatusOr<std::unique_ptr<SpoolWriter>> SpoolWriter::Reopen(
    const std::string& path, uint64_t keep, const SpoolWriterOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(SpoolFile file, SpoolFile::Reopen(path, keep));
  return std::unique_ptr<SpoolWriter>(
      new SpoolWriter(std::move(file), options));
}

SpoolWriter::SpoolWriter(SpoolFile file, const SpoolWriterOptions& options)
    : options_(options),
      file_(std::move(file)),
      context_(ZSTD_createCCtx()),
      thread_([this] { Run(); }) {}

SpoolWriter::~SpoolWriter() { StopThread(); }

std::unique_ptr<SpoolBuffer> SpoolWriter::Acquire() {
  std::unique_lock lock(mutex_);
  if (free_.empty() && made_ < options_.buffers) {
    ++made_;
    lock.unlock();
    auto buffer = std::make_unique<SpoolBuffer>();
    buffer->replies.Reserve(options_.buffer_records);
    return buffer;
  }
  if (free_.empty()) ++counters_.waits;
  freed_.wait(lock, [this] { return !free_.empty(); });
  auto buffer = std::move(free_.back());
  free_.pop_back();
  return buffer;
}

void SpoolWriter::Submit(std::unique_ptr<SpoolBuffer> buffer) {
  assert(!buffer->replies.empty());
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(buffer));
  }
  submitted_.notify_one();
}

void SpoolWriter::SubmitNote(FrameKind kind, uint32_t bucket, Instant sealed,
                             std::vector<std::byte> payload) {
  auto buffer = std::make_unique<SpoolBuffer>();
  buffer->bucket = bucket;
  buffer->sealed = sealed;
  buffer->kind = kind;
  buffer->note = std::move(payload);
  {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return note_bytes_ <= kMaxNotes; });
    note_bytes_ += buffer->note.size();
    queue_.push_back(std::move(buffer));
  }
  submitted_.notify_one();
}

void SpoolWriter::Flush() {
  std::unique_lock lock(mutex_);
  flushed_.wait(lock, [this] { return queue_.empty() && !writing_; });
}

absl::Status SpoolWriter::Close(const std::string& summary) {
  StopThread();
  if (!status_.ok()) return status_;
  const auto payload = std::as_bytes(std::span(summary));
  bytes_.resize(kFrameHeaderSize);
  StoreFrameHeader({.kind = FrameKind::kEnd,
                    .size = static_cast<uint32_t>(payload.size()),
                    .payload_hash = SpoolHash(payload)},
                   bytes_);
  bytes_.insert(bytes_.end(), payload.begin(), payload.end());
  status_ = file_.Append(bytes_);
  if (status_.ok()) status_ = file_.Sync();
  counters_.bytes = file_.size();
  file_.Close();
  return status_;
}

absl::Status SpoolWriter::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

SpoolCounters SpoolWriter::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

void SpoolWriter::StopThread() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  submitted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SpoolWriter::Run() {
  Batch batch;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      counters_.bytes = file_.size();
      writing_ = false;
      if (queue_.empty()) flushed_.notify_all();
      submitted_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
      writing_ = true;
    }
    Write(batch);
    batch.clear();
  }
}

void SpoolWriter::Write(Batch& batch) {
  for (std::unique_ptr<SpoolBuffer>& buffer : batch) {
    // Only this thread writes status_ while it runs, so it may read it freely.
    const bool failed = !status_.ok();
    if (buffer->is_note()) {
      if (!failed) AppendNote(*buffer);
      Forget(std::move(buffer));
    } else {
      if (!failed) AppendFrame(*buffer);
      Recycle(std::move(buffer), failed);
    }
    if (bytes_.size() >= kWriteBytes) WritePending();
  }
  if (!bytes_.empty()) WritePending();
}

void SpoolWriter::AppendFrame(const SpoolBuffer& buffer) {
  const RecordWidth width = WidthOf(buffer.replies.replies());
  EncodeRecords(buffer.replies.replies(), width, records_);
  const size_t begin = bytes_.size();
  const size_t bound = ZSTD_compressBound(records_.size());
  bytes_.resize(begin + kFrameHeaderSize + bound);
  std::byte* const out = bytes_.data() + begin + kFrameHeaderSize;
  // Cannot fail: there is room for the worst case.
  const size_t size = ZSTD_compressCCtx(
      context_.get(), out, bound, records_.data(), records_.size(), kLevel);
  assert(!ZSTD_isError(size));
  bytes_.resize(begin + kFrameHeaderSize + size);
  const FrameKind kind =
      width == RecordWidth::kNarrow ? FrameKind::kNarrow : FrameKind::kWide;
  StoreFrameHeader({.kind = kind,
                    .bucket = buffer.bucket,
                    .records = static_cast<uint32_t>(buffer.replies.size()),
                    .size = static_cast<uint32_t>(size),
                    .sealed = buffer.sealed,
                    .payload_hash = SpoolHash({out, size})},
                   std::span(bytes_).subspan(begin));
  pending_.push_back({.end = bytes_.size(), .records = buffer.replies.size()});
}

void SpoolWriter::AppendNote(const SpoolBuffer& note) {
  const size_t begin = bytes_.size();
  bytes_.resize(begin + kFrameHeaderSize);
  StoreFrameHeader({.kind = note.kind,
                    .bucket = note.bucket,
                    .size = static_cast<uint32_t>(note.note.size()),
                    .sealed = note.sealed,
                    .payload_hash = SpoolHash(note.note)},
                   std::span(bytes_).subspan(begin));
  bytes_.insert(bytes_.end(), note.note.begin(), note.note.end());
}

void SpoolWriter::Forget(std::unique_ptr<SpoolBuffer> note) {
  {
    const std::lock_guard lock(mutex_);
    note_bytes_ -= note->note.size();
  }
  freed_.notify_all();
}

void SpoolWriter::WritePending() {
  const uint64_t before = file_.size();
  absl::Status status = file_.Append(bytes_);
  if (status.ok() && !file_.IsThere()) {
    status = absl::NotFoundError(absl::StrCat(
        "write to the spool ", file_.path(), ": it has been removed"));
  }
  if (status.ok() && options_.sync_on_flush) status = file_.Sync();
  {
    const std::lock_guard lock(mutex_);
    for (const Pending& frame : pending_) {
      const bool whole = frame.end <= file_.size() - before;
      counters_.frames += whole ? 1 : 0;
      (whole ? counters_.records : counters_.lost) += frame.records;
    }
    counters_.bytes = file_.size();
    if (status_.ok()) status_ = std::move(status);
  }
  bytes_.clear();
  pending_.clear();
}

void SpoolWriter::Recycle(std::unique_ptr<SpoolBuffer> buffer, bool lost) {
  {
    const std::lock_guard lock(mutex_);
    if (lost) counters_.lost += buffer->replies.size();
    buffer->replies.Clear();
    free_.push_back(std::move(buffer));
  }
  freed_.notify_all();
}

}  // namespace fathom
