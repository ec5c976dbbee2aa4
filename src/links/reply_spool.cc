#include "src/links/reply_spool.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

absl::Status Validate(const SpoolOptions& options) {
  if (options.buffer_records == 0 ||
      options.buffer_records > kMaxFrameRecords) {
    return absl::InvalidArgumentError(
        absl::StrCat("a spool buffer of ", options.buffer_records,
                     " replies: not in 1 to ", kMaxFrameRecords));
  }
  if (options.boundaries.size() > kMaxBoundaries) {
    return absl::InvalidArgumentError(
        absl::StrCat("a spool of ", options.boundaries.size(),
                     " bucket boundaries: more than ", kMaxBoundaries));
  }
  if (!std::is_sorted(options.boundaries.begin(), options.boundaries.end(),
                      std::less_equal<>())) {
    return absl::InvalidArgumentError(
        "the spool's bucket boundaries do not ascend");
  }
  if (options.metadata.size() > kMaxMetadata) {
    return absl::InvalidArgumentError(
        absl::StrCat("spool metadata of ", options.metadata.size(),
                     " bytes: more than ", kMaxMetadata));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReplySpool>> ReplySpool::Create(
    const std::string& path, const SpoolOptions& options) {
  FATHOM_RETURN_IF_ERROR(Validate(options));
  const size_t buckets = options.boundaries.size() + 1;
  FATHOM_ASSIGN_OR_RETURN(
      auto writer,
      SpoolWriter::Create(
          path,
          {.boundaries = options.boundaries, .metadata = options.metadata},
          {.buffers = 2 * buckets + 8,
           .buffer_records = options.buffer_records,
           .sync_on_flush = options.sync_on_flush}));
  return std::unique_ptr<ReplySpool>(
      new ReplySpool(options, std::move(writer)));
}

ReplySpool::ReplySpool(const SpoolOptions& options,
                       std::unique_ptr<SpoolWriter> writer)
    : buffer_records_(options.buffer_records),
      flush_interval_(options.flush_interval),
      buckets_(options.boundaries),
      writer_(std::move(writer)),
      open_(buckets_.size()) {}

ReplySpool::~ReplySpool() { Flush(last_now_); }

void ReplySpool::Consume(Instant now, std::span<const Reply> replies) {
  last_now_ = now;
  for (const Reply& reply : replies) {
    const size_t bucket = buckets_.Find(reply.probe.target);
    if (open_[bucket] == nullptr) Begin(bucket, now);
    std::vector<Reply>& buffered = open_[bucket]->replies;
    buffered.push_back(reply);
    if (buffered.size() == buffer_records_) Seal(bucket, now);
  }
  if (oldest_ && now - *oldest_ >= flush_interval_) {
    FlushOlder(now, flush_interval_);
  }
}

void ReplySpool::Flush(Instant now) { FlushOlder(now, Nanos::min()); }

absl::Status ReplySpool::Close(Instant now, const std::string& summary) {
  Flush(now);
  return writer_->Close(summary);
}

void ReplySpool::Begin(size_t bucket, Instant now) {
  auto buffer = writer_->Acquire();
  buffer->bucket = static_cast<uint32_t>(bucket);
  buffer->opened = now;
  oldest_ = oldest_ ? std::min(*oldest_, now) : now;
  open_[bucket] = std::move(buffer);
}

void ReplySpool::Seal(size_t bucket, Instant now) {
  open_[bucket]->sealed = now;
  writer_->Submit(std::move(open_[bucket]));
}

void ReplySpool::FlushOlder(Instant now, Nanos age) {
  oldest_.reset();
  for (size_t bucket = 0; bucket < open_.size(); ++bucket) {
    if (open_[bucket] == nullptr) continue;
    const Instant opened = open_[bucket]->opened;
    if (now - opened >= age) {
      Seal(bucket, now);
    } else {
      oldest_ = oldest_ ? std::min(*oldest_, opened) : opened;
    }
  }
}

}  // namespace fathom
