#include "src/engine/scan_log.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/engine/finish.h"
#include "src/engine/setup.h"
#include "src/engine/spool_record.h"
#include "src/links/spool_reader.h"

namespace fathom {
namespace {

// How often the counts are noted: what a kill may lose of them.
constexpr Nanos kNoteEvery = std::chrono::seconds(5);

// No answer is waited for longer than this before its probe is taken for one
// that was answered or never will be.
constexpr Nanos kPatience = std::chrono::seconds(3);

// The first of the ascending `ranges` that no range of `others` holds. A range
// that two of theirs would hold together lies in one, as they have gaps
// between.
template <typename Range>
const Range* FirstMissing(std::span<const Range> ranges,
                          std::span<const Range> others) {
  for (const Range& range : ranges) {
    const auto at = std::lower_bound(
        others.begin(), others.end(), range,
        [](const Range& a, const Range& b) { return a.last < b.last; });
    if (at == others.end() || range.first < at->first) return &range;
  }
  return nullptr;
}

absl::Status CheckStillForbidden(const PrefixSet& then, const PrefixSet& now) {
  std::optional<IpAddress> first, last;
  if (const auto* range = FirstMissing(then.ranges(), now.ranges())) {
    first = IpAddress::V4(range->first);
    last = IpAddress::V4(range->last);
  } else if (const auto* range6 = FirstMissing(then.ranges6(), now.ranges6())) {
    first = range6->first;
    last = range6->last;
  }
  if (!first) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "not all is excluded that was when the scan began, such as of ",
      first->ToString(), " to ", last->ToString(),
      "; exclusions may be added to a scan, not taken away"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScanLog>> ScanLog::Open(const Parts& parts) {
  std::unique_ptr<ScanLog> log(new ScanLog(parts));
  FATHOM_RETURN_IF_ERROR(parts.options.resume ? log->Resume() : log->Create());
  return log;
}

absl::Status ScanLog::Create() {
  const ScanOptions& options = parts_.options;
  std::error_code error;
  std::filesystem::create_directory(PartialPath(options.dataset), error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(),
        absl::StrCat("make directory ", PartialPath(options.dataset)));
  }
  record_ = {.configuration = options.configuration,
             .verify = options.verify > 0,
             .start = parts_.start,
             .vantage = options.vantage,
             .shard = options.shard,
             .lanes = parts_.lanes,
             .forbidden = parts_.forbidden};
  SpoolOptions spool = SpoolOptionsOf(options, parts_.targets, parts_.lanes);
  spool.metadata = MakeSpoolMetadata(record_);
  FATHOM_ASSIGN_OR_RETURN(
      spool_, ReplySpool::Create(SpoolPath(options.dataset), spool));
  return absl::OkStatus();
}

absl::Status ScanLog::CheckSame(const ScanRecord& record) const {
  if (record.lanes != parts_.lanes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it had ", record.lanes, " lanes, not ", parts_.lanes));
  }
  return CheckStillForbidden(record.forbidden, parts_.forbidden);
}

absl::Status ScanLog::Resume() {
  const ScanOptions& options = parts_.options;
  const std::string path = SpoolPath(options.dataset);
  SpoolOptions spool = SpoolOptionsOf(options, parts_.targets, parts_.lanes);
  {
    FATHOM_ASSIGN_OR_RETURN(const auto reader, SpoolReader::Open(path));
    FATHOM_ASSIGN_OR_RETURN(
        record_, ReadSpoolRecord(reader->metadata(), reader->summary()));
    FATHOM_RETURN_IF_ERROR(CheckSame(record_));
    FATHOM_ASSIGN_OR_RETURN(
        point_, FindResumePoint(*reader, record_,
                                std::min(options.cooldown, kPatience)));
    spool.boundaries = reader->boundaries();
  }
  resumed_ = point_.resumed;
  resumed_.push_back({.at = parts_.start, .sent_again = point_.sent_again});
  pass_ = point_.pass;
  FATHOM_ASSIGN_OR_RETURN(spool_, ReplySpool::Reopen(path, point_.end, spool));
  AddMark(FrameKind::kResume, parts_.start - kRunMargin,
          {.pass = point_.pass,
           .turns = point_.turns,
           .counts = point_.counts,
           .resumed = resumed_});
  return spool_->Flush(parts_.start);
}

void ScanLog::AddMark(FrameKind kind, Instant now, const ScanMark& mark) {
  const std::string text = MakeMark(mark);
  std::vector<std::byte> payload;
  if (kind == FrameKind::kResume) {
    payload.resize(sizeof(int64_t));
    Store(int64_t{point_.cut.time_since_epoch().count()}, payload);
  }
  const auto bytes = std::as_bytes(std::span(text));
  payload.insert(payload.end(), bytes.begin(), bytes.end());
  spool_->AddNote(kind, 0, now, std::move(payload));
}

void ScanLog::AddRunsBefore(ScanCounts& counts) const {
  if (!parts_.options.resume) return;
  const ScanCounts& before = point_.counts;
  counts.feedback_dropped += before.feedback_dropped;
  counts.spool_lost += before.spool_lost;
  counts.backend.rx_dropped += before.backend.rx_dropped;
  counts.backend.host_dropped += before.backend.host_dropped;
  counts.backend.tx_failed += before.backend.tx_failed;
  for (auto& [name, value] : counts.backend.own) {
    for (const auto& [same, earlier] : before.backend.own) {
      if (same == name) value += earlier;
    }
  }
  if (before.lowest_pps != 0) {
    counts.lowest_pps = std::min(counts.lowest_pps, before.lowest_pps);
  }
  counts.lossy_windows += before.lossy_windows;
}

absl::StatusOr<std::unique_ptr<Journal>> ScanLog::Keep(
    std::unique_ptr<Strategy> strategy, size_t lane, Instant now) {
  auto journal = std::make_unique<Journal>(
      std::move(strategy),
      Journal::Options{
          .pass = pass_,
          .origin = parts_.start,
          .write =
              [this, lane](Instant at, std::vector<std::byte> segment) {
                spool_->AddNote(FrameKind::kJournal,
                                static_cast<uint32_t>(lane), at,
                                std::move(segment));
              },
          .heard_until = [this] { return spool_->heard_until(); }});
  if (lane >= point_.lanes.size() || pass_ != point_.pass) return journal;
  const LaneResume resume = std::exchange(point_.lanes[lane], {});
  if (!resume.segments.empty()) {
    FATHOM_ASSIGN_OR_RETURN(
        const auto reader,
        SpoolReader::OpenBeside(SpoolPath(parts_.options.dataset)));
    for (const SpoolReader::Note& note : resume.segments) {
      FATHOM_ASSIGN_OR_RETURN(const auto segment, reader->ReadNote(note));
      FATHOM_RETURN_IF_ERROR(journal->Replay(segment));
    }
  }
  journal->Begin(now, resume.late);
  return journal;
}

void ScanLog::BeginPass(uint32_t pass, Instant now, const ScanCounts& counts) {
  if (pass == pass_) return;
  pass_ = pass;
  AddMark(FrameKind::kMark, now,
          {.begins_pass = true,
           .pass = pass,
           .heard_until = spool_->heard_until(),
           .counts = counts});
}

absl::StatusOr<std::unique_ptr<SpoolReader>> ScanLog::ReadBeside(Instant now) {
  FATHOM_RETURN_IF_ERROR(spool_->Flush(now));
  FATHOM_ASSIGN_OR_RETURN(
      auto reader, SpoolReader::OpenBeside(SpoolPath(parts_.options.dataset)));
  if (pass_ == point_.pass) reader->HideFrom(point_.pass_offset);
  return reader;
}

void ScanLog::Note(Instant now, bool often,
                   absl::FunctionRef<ScanCounts()> counts) {
  if (!noted_) noted_ = now;
  if (now - *noted_ < (often ? kTurn : kNoteEvery)) return;
  noted_ = now;
  AddMark(FrameKind::kMark, now,
          {.pass = pass_,
           .heard_until = spool_->heard_until(),
           .counts = counts()});
}

}  // namespace fathom
