#include "src/engine/journal.h"

#include <zstd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/links/reply_record.h"
#include "src/links/spool_format.h"

namespace fathom {
namespace {

// The body of a segment behind its head, in zstd: how many replies there are
// and how wide they are (8 bytes), the size of the calls (8 bytes), the calls,
// the replies as in the spool.
//
// A call is a few numbers of 7 bits a byte. Observe: twice the number of
// replies, plus 1. Next: twice the room; how many probes were made; and how
// much later than the last call it was, times two, or -1 less that if earlier.
constexpr size_t kBodyHead = 16;
constexpr int kLevel = 1;

void Put(uint64_t value, std::vector<std::byte>& out) {
  for (; value >= 128; value >>= 7) {
    out.push_back(static_cast<std::byte>(value | 128));
  }
  out.push_back(static_cast<std::byte>(value));
}

// Takes a number off the front; nullopt if there is none.
std::optional<uint64_t> Get(std::span<const std::byte>& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = std::to_integer<uint64_t>(in.front());
    in = in.subspan(1);
    value |= (byte & 127) << shift;
    if (byte < 128) return value;
  }
  return std::nullopt;
}

uint64_t ZigZag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}
int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(absl::StrCat("go on from the journal: ", what));
}

// Whether a time can be reckoned with; what is farther off was never written.
bool IsPlausible(int64_t time) {
  constexpr int64_t kFar = int64_t{1} << 61;
  return -kFar < time && time < kFar;
}
bool IsPlausible(Instant time) {
  return IsPlausible(time.time_since_epoch().count());
}
bool IsPlausible(const Reply& reply) {
  return IsPlausible(reply.received) && IsPlausible(reply.rtt.count());
}

// A segment as it was before it was compressed.
struct Body {
  std::vector<std::byte> bytes;  // What calls and replies borrow from.
  std::span<const std::byte> calls;
  std::vector<Reply> replies;
};

absl::StatusOr<std::vector<std::byte>> Unpack(
    std::span<const std::byte> packed) {
  const uint64_t size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  // Also if it is not told, which is a very large number.
  if (size > kMaxFrameBytes) return Damaged("a segment is too large");
  std::vector<std::byte> bytes(size);
  if (ZSTD_decompress(bytes.data(), bytes.size(), packed.data(),
                      packed.size()) != bytes.size()) {
    return Damaged("a segment cannot be unpacked");
  }
  return bytes;
}

absl::StatusOr<Body> ReadBody(std::span<const std::byte> segment) {
  Body body;
  FATHOM_ASSIGN_OR_RETURN(body.bytes,
                          Unpack(segment.subspan(sizeof(SegmentHead))));
  const std::span<const std::byte> all = body.bytes;
  if (all.size() < kBodyHead) return Damaged("a segment is cut off");
  const auto replies = Load<uint64_t>(all);
  const auto calls = Load<uint64_t>(all.subspan(8));
  const auto rest = all.subspan(kBodyHead);
  if (calls > rest.size()) return Damaged("a segment is cut off");
  body.calls = rest.first(calls);
  const RecordWidth width =
      (replies & 1) == 0 ? RecordWidth::kNarrow : RecordWidth::kWide;
  const uint64_t count = replies >> 1;
  if (count > rest.size() ||
      (count == 0
           ? calls != rest.size()
           : !DecodeRecords(rest.subspan(calls), width, count, body.replies))) {
    return Damaged("the replies of a segment cannot be read");
  }
  if (!std::all_of(body.replies.begin(), body.replies.end(),
                   [](const Reply& reply) { return IsPlausible(reply); })) {
    return Damaged("the replies of a segment are of no time");
  }
  return body;
}

}  // namespace

std::optional<SegmentHead> ReadSegmentHead(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(SegmentHead)) return std::nullopt;
  const auto head = Load<SegmentHead>(bytes);
  constexpr uint64_t kMostTurns = uint64_t{1} << 31;
  if (head.flags > 7 || head.turn > kMostTurns || head.through > kMostTurns ||
      !IsPlausible(head.clock) || !IsPlausible(head.shift) ||
      !IsPlausible(head.heard_until)) {
    return std::nullopt;
  }
  return head;
}

absl::StatusOr<std::vector<Reply>> RepliesIn(
    std::span<const std::byte> segment) {
  const auto head = ReadSegmentHead(segment);
  if (!head) return Damaged("a segment has no head");
  if ((head->flags & SegmentHead::kObserves) == 0) return std::vector<Reply>();
  FATHOM_ASSIGN_OR_RETURN(Body body, ReadBody(segment));
  // Strategies are told of no extensions, and none are written.
  for (Reply& reply : body.replies) reply.extensions = {};
  return std::move(body.replies);
}

Journal::Journal(std::unique_ptr<Strategy> strategy, Options options)
    : strategy_(std::move(strategy)), options_(std::move(options)) {
  head_.pass = options_.pass;
}

absl::Status Journal::Replay(std::span<const std::byte> segment) {
  const auto head = ReadSegmentHead(segment);
  if (!head) return Damaged("a segment has no head");
  const bool observes = (head->flags & SegmentHead::kObserves) != 0;
  if (head->pass != head_.pass || observes != strategy_->observes() ||
      (observes && head->sequence != head_.sequence)) {
    return Damaged("a segment does not follow on the one before");
  }
  if (observes) {
    FATHOM_ASSIGN_OR_RETURN(const Body body, ReadBody(segment));
    FATHOM_RETURN_IF_ERROR(ReplayCalls(body.calls, body.replies));
    if (head_.position != head->position) {
      return Damaged("a segment has another number of probes than it says");
    }
  } else {
    FATHOM_RETURN_IF_ERROR(ReplayTo(head->position));
  }
  clock_ = std::max(clock_, Instant(Nanos(head->clock)));
  head_.sequence = head->sequence + 1;
  return absl::OkStatus();
}

absl::Status Journal::ReplayCalls(std::span<const std::byte> calls,
                                  std::span<const Reply> replies) {
  uint64_t time = 0;
  while (!calls.empty()) {
    const auto first = Get(calls);
    if (first && (*first & 1) != 0) {
      const uint64_t count = *first >> 1;
      if (count > replies.size()) return Damaged("replies are missing");
      strategy_->Observe(replies.first(count));
      replies = replies.subspan(count);
      continue;
    }
    const auto made = Get(calls);
    const auto later = Get(calls);
    if (!first || !made || !later) return Damaged("a call is cut off");
    // Unsigned, since anything may stand there.
    time += static_cast<uint64_t>(UnZigZag(*later));
    clock_ = Instant(Nanos(static_cast<int64_t>(time)));
    if (!IsPlausible(clock_)) return Damaged("a call is of no time");
    FATHOM_RETURN_IF_ERROR(ReplayNext(clock_, *first >> 1, *made));
  }
  return absl::OkStatus();
}

absl::Status Journal::ReplayNext(Instant now, size_t room, size_t made) {
  constexpr size_t kMostRoom = 1 << 16;
  if (room > kMostRoom) return Damaged("a call has too much room");
  if (scratch_.size() < room) scratch_.resize(room);
  if (strategy_->Next(now, std::span(scratch_).first(room)) != made) {
    return Damaged(
        "the strategy does not do as it did; was this another version?");
  }
  head_.position += made;
  return absl::OkStatus();
}

absl::Status Journal::ReplayTo(uint64_t position) {
  constexpr size_t kRoom = 1024;
  constexpr int kMostWaits = 1000;
  scratch_.resize(kRoom);
  for (int waits = 0; head_.position < position;) {
    const size_t room = std::min<uint64_t>(kRoom, position - head_.position);
    const size_t made =
        strategy_->Next(clock_, std::span(scratch_).first(room));
    head_.position += made;
    if (made == room) continue;
    // Some let time pass before they go on.
    clock_ += kTurn;
    waits = made == 0 ? waits + 1 : 0;
    if (waits > kMostWaits || strategy_->done()) {
      if (head_.position < position) return Damaged("it has too many probes");
    }
  }
  return absl::OkStatus();
}

void Journal::Begin(Instant now, std::span<const Reply> late) {
  for (const Reply& reply : late) clock_ = std::max(clock_, reply.received);
  if (head_.sequence > 0 || !late.empty()) shift_ = clock_ - now;
  clock_ = now + shift_;
  head_.turn = TurnAt(now);
  head_.shift = shift_.count();
  if (late.empty() || !observes()) return;
  replies_.insert(replies_.end(), late.begin(), late.end());
  Put(late.size() << 1 | 1, calls_);
  strategy_->Observe(late);
}

size_t Journal::Next(Instant now, std::span<Probe> out) {
  now += shift_;
  const size_t made = strategy_->Next(now, out);
  head_.position += made;
  if (observes()) {
    Put(out.size() << 1, calls_);
    Put(made, calls_);
    Put(ZigZag((now - written_).count()), calls_);
    written_ = now;
  }
  clock_ = now;
  return made;
}

void Journal::Observe(std::span<const Reply> replies) {
  if (replies.empty() || !observes()) return;
  const size_t first = replies_.size();
  replies_.insert(replies_.end(), replies.begin(), replies.end());
  for (Reply& reply : std::span(replies_).subspan(first)) {
    reply.received += shift_;
    reply.extensions = {};
  }
  Put(replies.size() << 1 | 1, calls_);
  strategy_->Observe(std::span(replies_).subspan(first));
}

uint64_t Journal::TurnAt(Instant now) const {
  return now < options_.origin
             ? 0
             : static_cast<uint64_t>((now - options_.origin) / kTurn);
}

Nanos Journal::Tend(Instant now, uint64_t sent, uint64_t withheld) {
  const uint64_t turn = TurnAt(now);
  if (turn > head_.turn) {
    Write(now, SegmentHead::kLast, turn - 1, {sent, withheld});
    head_.turn = turn;
  } else if (calls_.size() +
                 replies_.size() * static_cast<size_t>(RecordWidth::kWide) >
             kLargest) {
    Write(now, 0, turn, {sent, withheld});
  }
  const Instant end = options_.origin + (turn + 1) * kTurn;
  return end - now <= kGuard ? end - now : Nanos(0);
}

void Journal::Finish(Instant now, uint64_t sent, uint64_t withheld) {
  const uint64_t turn = std::max(TurnAt(now), head_.turn);
  Write(now, SegmentHead::kLast, turn, {sent, withheld});
  head_.turn = turn;
}

std::vector<std::byte> Journal::PackBody() const {
  const RecordWidth width = WidthOf(replies_);
  std::vector<std::byte> records;
  if (!replies_.empty()) EncodeRecords(replies_, width, records);
  std::vector<std::byte> body(kBodyHead);
  const uint64_t wide = width == RecordWidth::kWide ? 1 : 0;
  Store(uint64_t{replies_.size()} << 1 | wide, body);
  Store(uint64_t{calls_.size()}, std::span(body).subspan(8));
  body.insert(body.end(), calls_.begin(), calls_.end());
  body.insert(body.end(), records.begin(), records.end());
  std::vector<std::byte> packed(ZSTD_compressBound(body.size()));
  // Cannot fail: there is room for the worst case.
  packed.resize(ZSTD_compress(packed.data(), packed.size(), body.data(),
                              body.size(), kLevel));
  return packed;
}

void Journal::Write(Instant now, uint32_t flags, uint64_t through,
                    const Counts& counts) {
  head_.flags = flags;
  if (observes()) head_.flags |= SegmentHead::kObserves;
  if (done()) head_.flags |= SegmentHead::kDone;
  head_.through = through;
  head_.heard_until = options_.heard_until().time_since_epoch().count();
  head_.clock = clock_.time_since_epoch().count();
  head_.sent = counts.sent - std::exchange(sent_, counts.sent);
  head_.withheld = counts.withheld - std::exchange(withheld_, counts.withheld);
  std::vector<std::byte> segment(sizeof head_);
  Store(head_, segment);
  if (observes()) {
    const std::vector<std::byte> body = PackBody();
    segment.insert(segment.end(), body.begin(), body.end());
  }
  calls_.clear();
  replies_.clear();
  written_ = Instant();
  ++head_.sequence;
  options_.write(now, std::move(segment));
}

}  // namespace fathom
