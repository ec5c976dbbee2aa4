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
  if (options.inlets == 0) {
    return absl::InvalidArgumentError("a spool without an inlet");
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

SpoolWriterOptions WriterOptions(const SpoolOptions& options) {
  const size_t buckets = options.boundaries.size() + 1;
  return {.buffers = 2 * buckets * options.inlets + 8,
          .buffer_records = options.buffer_records,
          .sync_on_flush = options.sync_on_flush};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReplySpool>> ReplySpool::Create(
    const std::string& path, const SpoolOptions& options) {
  FATHOM_RETURN_IF_ERROR(Validate(options));
  FATHOM_ASSIGN_OR_RETURN(auto writer,
                          SpoolWriter::Create(path,
                                              {.boundaries = options.boundaries,
                                               .metadata = options.metadata},
                                              WriterOptions(options)));
  return std::unique_ptr<ReplySpool>(
      new ReplySpool(options, std::move(writer)));
}

absl::StatusOr<std::unique_ptr<ReplySpool>> ReplySpool::Reopen(
    const std::string& path, uint64_t keep, const SpoolOptions& options) {
  FATHOM_RETURN_IF_ERROR(Validate(options));
  FATHOM_ASSIGN_OR_RETURN(
      auto writer, SpoolWriter::Reopen(path, keep, WriterOptions(options)));
  return std::unique_ptr<ReplySpool>(
      new ReplySpool(options, std::move(writer)));
}

ReplySpool::ReplySpool(const SpoolOptions& options,
                       std::unique_ptr<SpoolWriter> writer)
    : buckets_(options.boundaries), writer_(std::move(writer)) {
  for (size_t i = 0; i < options.inlets; ++i) {
    inlets_.emplace_back(
        SpoolInlet::Parts{.buckets = buckets_,
                          .writer = *writer_,
                          .buffer_records = options.buffer_records,
                          .flush_interval = options.flush_interval});
  }
}

ReplySpool::~ReplySpool() {
  for (SpoolInlet& inlet : inlets_) inlet.Flush(inlet.last_now());
}

Instant ReplySpool::heard_until() const {
  Instant until = Instant::max();
  for (const SpoolInlet& inlet : inlets_) {
    until = std::min(until, inlet.handed_until());
  }
  return until;
}

absl::Status ReplySpool::Flush(Instant now) {
  for (SpoolInlet& inlet : inlets_) inlet.Flush(now);
  writer_->Flush();
  return writer_->status();
}

absl::Status ReplySpool::Close(Instant now, const std::string& summary) {
  for (SpoolInlet& inlet : inlets_) inlet.Flush(now);
  return writer_->Close(summary);
}

}  // namespace fathom
