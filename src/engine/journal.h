#ifndef FATHOM_SRC_ENGINE_JOURNAL_H_
#define FATHOM_SRC_ENGINE_JOURNAL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "fathom/strategy.h"

namespace fathom {

// What a lane's strategy was asked and told, so that a scan that was cut short
// can go on. A strategy is a function of its calls: the same targets, options
// and calls make the same state. So no strategy saves its state; its calls are
// written down, and a new one is taken through them, which sends nothing.
//
// Of a strategy that hears no replies only the number of probes is kept: it
// makes the same ones however it is asked.
//
// The journal is written in segments, into the spool, where they stand in order
// with the replies. Time is cut into turns of a second, the same for all lanes.
// A segment is of one turn, and no lane sends just before a turn ends, so that
// of every probe it can be told from its time alone whether a segment has it.

inline constexpr Nanos kTurn = std::chrono::seconds(1);

// Nothing is sent this long before a turn ends: longer than the least time that
// a packet tells, a tenth of a millisecond.
inline constexpr Nanos kGuard = std::chrono::microseconds(200);

// Where probes of one turn end and those of the next begin, as packets tell the
// time of sending: up to a tenth of a millisecond too early.
constexpr Instant CutBefore(Instant turn) { return turn - kGuard / 2; }

// A segment, but for the calls. It stands as it is in the file, 80 bytes.
struct SegmentHead {
  enum Flags : uint32_t {
    kObserves = 1,  // There are calls.
    kLast = 2,      // There are no more segments of this turn.
    kDone = 4,      // The strategy is done.
  };

  uint32_t flags = 0;
  uint32_t pass = 0;        // Of the scan, 0 for the strategy's own.
  uint64_t sequence = 0;    // Of this lane and pass, from 0, over all runs.
  uint64_t turn = 0;        // Of this run.
  uint64_t through = 0;     // The turn that is over besides, if kLast.
  int64_t heard_until = 0;  // All that came before is in the spool.
  int64_t clock = 0;        // The strategy's, at the end; ns.
  uint64_t position = 0;    // Probes made in this pass, after this segment.
  uint64_t sent = 0;        // In this segment, as are the next.
  uint64_t withheld = 0;
  int64_t shift = 0;  // What is added to the run's time to have the strategy's.

  friend bool operator==(const SegmentHead&, const SegmentHead&) = default;
};
static_assert(sizeof(SegmentHead) == 80);

// nullopt if these bytes are none.
std::optional<SegmentHead> ReadSegmentHead(std::span<const std::byte> bytes);

// Takes part in all calls of a strategy, and writes them down.
//
// The strategy's clock stands still between two runs: it goes on from where it
// was, so what waits for an answer waits no less for the pause.
//
// One thread at a time.
class Journal final : public Strategy {
 public:
  struct Options {
    uint32_t pass = 0;
    Instant origin{};  // When turn 0 of this run began.
    // Told of each segment, with what it has been given.
    std::function<void(Instant now, std::vector<std::byte> segment)> write{};
    std::function<Instant()> heard_until{};
  };

  Journal(std::unique_ptr<Strategy> strategy, Options options);

  // Takes the strategy through a segment of an earlier run.
  // DataLoss if it does not follow on the one before, or if the strategy does
  // not do as it did then. REQUIRES: nothing else was called yet.
  absl::Status Replay(std::span<const std::byte> segment);

  // Tells of replies that came too late for the segments that were replayed, to
  // probes that these have. Ends the replay; from `now` on the strategy's clock
  // goes on.
  void Begin(Instant now, std::span<const Reply> late);

  size_t Next(Instant now, std::span<Probe> out) override;
  void Observe(std::span<const Reply> replies) override;
  bool observes() const override { return strategy_->observes(); }
  bool done() const override { return strategy_->done(); }
  uint64_t planned() const override { return strategy_->planned(); }

  // Writes a segment if a turn has ended. Returns for how long nothing may be
  // sent, if a turn is about to end. The counts are of all that was sent.
  Nanos Tend(Instant now, uint64_t sent, uint64_t withheld);

  // Writes what there is: nothing more is sent in this run.
  void Finish(Instant now, uint64_t sent, uint64_t withheld);

 private:
  // A segment is written early when it is so large, so that none is too large
  // for a frame: in bytes, with all that it may grow by at once.
  static constexpr size_t kLargest = 4 << 20;

  uint64_t TurnAt(Instant now) const;
  struct Counts {
    uint64_t sent;
    uint64_t withheld;
  };
  void Write(Instant now, uint32_t flags, uint64_t through,
             const Counts& counts);
  std::vector<std::byte> PackBody() const;
  absl::Status ReplayCalls(std::span<const std::byte> calls,
                           std::span<const Reply> replies);
  absl::Status ReplayNext(Instant now, size_t room, size_t made);
  absl::Status ReplayTo(uint64_t position);

  const std::unique_ptr<Strategy> strategy_;
  const Options options_;
  SegmentHead head_;  // Of the segment that is being written.
  std::vector<std::byte> calls_;
  std::vector<Reply> replies_;
  std::vector<Probe> scratch_;
  uint64_t sent_ = 0;  // Counts as of the last segment.
  uint64_t withheld_ = 0;
  Instant clock_;    // The strategy's: when it was last asked.
  Instant written_;  // What the next time is written as later than.
  Nanos shift_{};    // See SegmentHead.
};

// The replies that a segment tells of. DataLoss if it is damaged.
absl::StatusOr<std::vector<Reply>> RepliesIn(
    std::span<const std::byte> segment);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_JOURNAL_H_
