#include "src/engine/resume.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/engine/spool_record.h"

namespace fathom {
namespace {

using Note = SpoolReader::Note;

// A segment of this pass that counts so far.
struct Segment {
  Note note;
  SegmentHead head;
};

// What is known of a lane in this pass.
struct LaneTrack {
  std::vector<Segment> segments;
  size_t of_earlier_runs = 0;  // How many of them.
  std::vector<Reply> late;
  // Something is missing: what comes after cannot be replayed.
  bool broken = false;

  bool Follows(const SegmentHead& head) const {
    return (head.flags & SegmentHead::kObserves) == 0 ||
           head.sequence == segments.size();
  }
};

// Walks over the notes of a spool, from run to run and from pass to pass.
class Tracker {
 public:
  Tracker(SpoolReader& spool, const ScanRecord& record)
      : spool_(spool), lanes_(record.lanes), run_start_(record.start) {
    pass_start_ = run_start_;
  }

  absl::Status Walk();
  absl::StatusOr<ResumePoint> Finish(const ScanRecord& record, Nanos patience);

 private:
  absl::Status TakeSegment(const Note& note);
  absl::Status TakeMark(const Note& note);
  absl::Status TakeResume(const Note& note);
  // Keeps of the last run what was sent in earlier turns and before `cut`.
  absl::Status CutRun(uint64_t turns, Instant cut);
  absl::Status CutLane(LaneTrack& lane, uint64_t turns, Instant cut);
  // Until when all is known that was sent and heard.
  Instant KnownUntil() const;

  SpoolReader& spool_;
  std::vector<LaneTrack> lanes_;
  Instant run_start_;
  Instant pass_start_;  // In this run.
  Instant heard_until_;
  uint32_t pass_ = 0;
  uint64_t pass_offset_ = UINT64_MAX;
  ScanCounts pass_counts_;  // When the pass began.
  ScanCounts counts_;       // The last that are known.
  std::vector<Resumption> resumed_;
  uint64_t dropped_ = 0;  // Probes in segments that were cut off.
};

absl::Status Tracker::Walk() {
  for (const Note& note : spool_.notes()) {
    if (note.kind == FrameKind::kJournal) {
      FATHOM_RETURN_IF_ERROR(TakeSegment(note));
    } else if (note.kind == FrameKind::kMark) {
      FATHOM_RETURN_IF_ERROR(TakeMark(note));
    } else if (note.kind == FrameKind::kResume) {
      FATHOM_RETURN_IF_ERROR(TakeResume(note));
    }
  }
  return absl::OkStatus();
}

absl::Status Tracker::TakeSegment(const Note& note) {
  if (note.lane >= lanes_.size()) {
    return absl::DataLossError("a segment is of a lane that there is not");
  }
  FATHOM_ASSIGN_OR_RETURN(const auto bytes,
                          spool_.ReadNote(note, sizeof(SegmentHead)));
  const auto head = ReadSegmentHead(bytes);
  LaneTrack& lane = lanes_[note.lane];
  if (!head || head->pass != pass_ || !lane.Follows(*head)) {
    lane.broken = true;
  }
  if (lane.broken) return absl::OkStatus();
  lane.segments.push_back({note, *head});
  heard_until_ = std::max(heard_until_, Instant(Nanos(head->heard_until)));
  return absl::OkStatus();
}

absl::Status Tracker::TakeMark(const Note& note) {
  FATHOM_ASSIGN_OR_RETURN(ScanMark mark, ReadMarkAt(spool_, note));
  counts_ = mark.counts;
  heard_until_ = std::max(heard_until_, mark.heard_until);
  if (!mark.begins_pass) return absl::OkStatus();
  pass_ = mark.pass;
  pass_offset_ = note.offset;
  pass_start_ = note.time;
  pass_counts_ = std::move(mark.counts);
  lanes_ = std::vector<LaneTrack>(lanes_.size());
  dropped_ = 0;
  return absl::OkStatus();
}

absl::Status Tracker::TakeResume(const Note& note) {
  FATHOM_ASSIGN_OR_RETURN(ScanMark mark, ReadMarkAt(spool_, note));
  FATHOM_ASSIGN_OR_RETURN(const auto bytes,
                          spool_.ReadNote(note, sizeof(int64_t)));
  const Instant cut(Nanos(Load<int64_t>(bytes)));
  FATHOM_RETURN_IF_ERROR(CutRun(mark.turns, cut));
  counts_ = std::move(mark.counts);
  resumed_ = std::move(mark.resumed);
  run_start_ = pass_start_ = note.time + kRunMargin;
  heard_until_ = Instant();
  for (LaneTrack& lane : lanes_) lane.of_earlier_runs = lane.segments.size();
  return absl::OkStatus();
}

absl::Status Tracker::CutRun(uint64_t turns, Instant cut) {
  dropped_ = 0;
  for (LaneTrack& lane : lanes_) {
    FATHOM_RETURN_IF_ERROR(CutLane(lane, turns, cut));
  }
  return absl::OkStatus();
}

absl::Status Tracker::CutLane(LaneTrack& lane, uint64_t turns, Instant cut) {
  lane.broken = false;
  // The first segment of a run has what was late in the one before.
  if (lane.segments.size() > lane.of_earlier_runs) lane.late.clear();
  size_t kept = lane.of_earlier_runs;
  while (kept < lane.segments.size() && lane.segments[kept].head.turn < turns) {
    ++kept;
  }
  for (size_t i = kept; i < lane.segments.size(); ++i) {
    const Segment& segment = lane.segments[i];
    dropped_ += segment.head.sent;
    FATHOM_ASSIGN_OR_RETURN(const auto bytes, spool_.ReadNote(segment.note));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<Reply> replies, RepliesIn(bytes));
    const Instant end = cut + Nanos(segment.head.shift);
    for (const Reply& reply : replies) {
      if (reply.rtt < Nanos(0) || reply.received - reply.rtt < end) {
        lane.late.push_back(reply);
      }
    }
  }
  lane.segments.resize(kept);
  return absl::OkStatus();
}

Instant Tracker::KnownUntil() const {
  Instant known = heard_until_;
  for (const LaneTrack& lane : lanes_) {
    Instant until = run_start_;
    if (!lane.segments.empty()) {
      const SegmentHead& last = lane.segments.back().head;
      if ((last.flags & SegmentHead::kDone) != 0) continue;
      if (lane.segments.size() > lane.of_earlier_runs) {
        const bool whole = (last.flags & SegmentHead::kLast) != 0;
        const auto turns = static_cast<int64_t>(last.through + whole);
        until += turns * kTurn;
      }
    }
    known = std::min(known, until);
  }
  return known;
}

absl::StatusOr<ResumePoint> Tracker::Finish(const ScanRecord& record,
                                            Nanos patience) {
  ResumePoint point;
  point.turns = ScanMark::kAllTurns;
  point.cut = Instant::max();
  const bool in_order = spool_.summary() && record.end != ScanEnd::kTrouble;
  if (!in_order) {
    const Nanos known = KnownUntil() - patience - run_start_;
    const auto turns = std::max<int64_t>(0, known / kTurn);
    point.turns = static_cast<uint64_t>(turns);
    point.cut = CutBefore(std::max(run_start_ + turns * kTurn, pass_start_));
  }
  FATHOM_RETURN_IF_ERROR(CutRun(point.turns, point.cut));
  if (record.counts && spool_.summary()) counts_ = *record.counts;
  point.end = spool_.end();
  point.pass = pass_;
  point.pass_offset = pass_offset_;
  point.resumed = std::move(resumed_);
  point.sent_again = dropped_;
  point.counts = std::move(counts_);
  point.counts.planned = pass_counts_.planned;
  point.counts.sent = point.sent_before_pass = pass_counts_.sent;
  point.counts.withheld = pass_counts_.withheld;
  point.counts.second_look = pass_counts_.second_look;
  for (LaneTrack& lane : lanes_) {
    LaneResume& resume = point.lanes.emplace_back();
    resume.late = std::move(lane.late);
    for (const Segment& segment : lane.segments) {
      point.counts.sent += segment.head.sent;
      point.counts.withheld += segment.head.withheld;
      // Where there are no calls the last says all.
      if ((segment.head.flags & SegmentHead::kObserves) == 0) {
        resume.segments.clear();
      }
      resume.segments.push_back(segment.note);
    }
  }
  return point;
}

}  // namespace

absl::StatusOr<ResumePoint> FindResumePoint(SpoolReader& spool,
                                            const ScanRecord& record,
                                            Nanos patience) {
  if (record.lanes == 0) {
    return absl::FailedPreconditionError(
        "its spool has no journal; it was made by an older version");
  }
  Tracker tracker(spool, record);
  FATHOM_RETURN_IF_ERROR(tracker.Walk());
  return tracker.Finish(record, patience);
}

}  // namespace fathom
