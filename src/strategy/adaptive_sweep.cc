// The sweep that listens. Three refinements of the plain one, each an option,
// each in a file of its own:
//
//   fill          beyond the last TTL, go on while routers answer   (fill.h)
//   neighborhood  at low TTLs, leave off what brings nothing new
//                                                           (neighborhood.h)
//   router_pps    near us, ask no router faster than this, nor faster than it
//                 answers                                     (limit_watch.h)
//
// The order of probes is that of the plain sweep but for the near TTLs, whose
// few routers hear from the paths to all targets. Each of those has a stream of
// its own, which takes a share of every batch in proportion to what it has
// left, so that all streams and the rest end together and probes to a router
// come evenly, not in the clumps of a random order. A stream that is held back
// leaves its share to the others; so nothing waits while there is other work.
//
// All streams walk the targets in one order, some hundreds of targets apart:
// near enough to see both ends of a link in a short time, far enough that no
// path gets all its probes at once.

#include "src/strategy/adaptive_sweep.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/base/hash.h"
#include "src/schedule/permutation.h"
#include "src/strategy/fill.h"
#include "src/strategy/limit_watch.h"
#include "src/strategy/neighborhood.h"

namespace fathom {
namespace {

// How far routers are near enough to be asked by most probes' paths. Beyond,
// there are so many that each gets little.
constexpr unsigned kNear = 10;

// Streams are so many targets apart, and less where there are few targets.
constexpr uint64_t kStagger = 512;

// What is held back where it may be left off makes a scan longer by this part
// of it at the most, or by this time; then it is left off.
constexpr int kStretch = 8;
constexpr Nanos kLeastStretch = std::chrono::seconds(1);

// How long after the last probe its reply may still call for another one.
constexpr Nanos kPatience = std::chrono::seconds(2);

class AdaptiveSweep final : public Strategy {
 public:
  AdaptiveSweep(const TargetSet& targets, const StrategyOptions& options);

  size_t Next(Instant now, std::span<Probe> out) override;
  void Observe(std::span<const Reply> replies) override;
  bool done() const override { return done_; }
  uint64_t planned() const override {
    return walk_size_ - left_off_ + fill_.asked();
  }

 private:
  // The most cells that one call looks at, so that leaving off many takes no
  // long pause.
  static constexpr size_t kMostLooks = 16 * 1024;
  static constexpr size_t kBatch = 64;

  // The walk of one near TTL over all targets.
  struct Stream {
    uint64_t next = 0;
    double share = 0;  // Of the slots so far, less those taken.
    bool held = false;
  };

  unsigned TtlOf(const Stream& stream) const {
    return min_ttl_ + static_cast<unsigned>(&stream - streams_.data());
  }
  size_t PlaceOf(const Stream& stream) const {
    return static_cast<size_t>(&stream - streams_.data());
  }
  uint64_t Left(const Stream& stream) const {
    return near_order_.size() - stream.next;
  }
  uint64_t TargetAt(const Stream& stream) const;
  bool LeavesOff(const Stream& stream) const;
  bool walk_done() const { return walked_ == walk_size_; }

  // Gives `slots` to the streams and the rest by what each has left; writes
  // what comes of it and returns how many.
  size_t Deal(Instant now, std::span<Probe> out);
  size_t TakeFromStream(Stream& stream, Instant now, std::span<Probe> out);
  size_t TakeFromRest(std::span<Probe> out);
  // Leaves off all that is left of a stream.
  void Drop(Stream& stream);
  void Advance(Stream& stream) {
    ++stream.next;
    ++walked_;
  }
  // Leaves off what is still held back some time after all else has ended.
  void EndHeldBack(Instant now);
  bool AllHeld() const;
  void Finish(Instant now, size_t written);

  const TargetSet& targets_;
  const unsigned min_ttl_;
  const uint64_t probes_;
  std::vector<Stream> streams_;
  const unsigned rest_ttls_;  // Those above the streams'.
  const Permutation near_order_;
  const Permutation rest_order_;
  const uint64_t walk_size_;
  Fill fill_;
  Neighborhood neighborhood_;
  std::optional<LimitWatch> limits_;
  uint64_t rest_next_ = 0;
  uint64_t walked_ = 0;  // Cells of the walk that were sent or left off.
  uint64_t left_off_ = 0;
  std::optional<Instant> start_;
  std::optional<Instant> rest_end_;
  Instant last_sent_;
  bool done_ = false;
};

// How many TTLs have streams: those that may be held back or left off, and the
// one after these, which shows where their links lead.
size_t Streams(const StrategyOptions& options) {
  unsigned last = options.neighborhood.value();
  if (options.router_pps > 0) last = std::max(last, kNear);
  last = std::min<unsigned>(last, options.max_ttl.value());
  return last < options.min_ttl.value() ? 0
                                        : last - options.min_ttl.value() + 1;
}

AdaptiveSweep::AdaptiveSweep(const TargetSet& targets,
                             const StrategyOptions& options)
    : targets_(targets),
      min_ttl_(options.min_ttl.value()),
      probes_(options.probes),
      streams_(Streams(options)),
      rest_ttls_(options.max_ttl.value() - min_ttl_ + 1 -
                 static_cast<unsigned>(streams_.size())),
      near_order_(targets.size() * probes_, Derive(options.seed, 0)),
      rest_order_(targets.size() * probes_ * rest_ttls_, options.seed),
      walk_size_(near_order_.size() * streams_.size() + rest_order_.size()),
      fill_(targets, options.max_ttl, options.fill),
      neighborhood_(options.min_ttl, options.neighborhood),
      done_(targets.empty()) {
  if (options.router_pps > 0) {
    limits_.emplace(streams_.size(), options.router_pps);
    for (const Stream& stream : streams_) {
      if (!neighborhood_.Covers(TtlOf(stream)))
        limits_->IgnoreShare(PlaceOf(stream));
    }
  }
}

void AdaptiveSweep::Observe(std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    if (reply.probe.flow != FlowId(0) ||
        reply.probe.target.family() != targets_.family()) {
      continue;
    }
    const size_t place = size_t{reply.probe.ttl.value()} - min_ttl_;
    if (limits_ && place < streams_.size()) {
      limits_->Answered(place, reply.responder);
    }
    neighborhood_.Observe(reply);
    fill_.Observe(reply);
  }
}

uint64_t AdaptiveSweep::TargetAt(const Stream& stream) const {
  const uint64_t stagger = std::min(kStagger, near_order_.size() / 64);
  uint64_t place = stream.next + stagger * (TtlOf(stream) - min_ttl_);
  if (place >= near_order_.size()) place -= near_order_.size();
  const uint64_t number = near_order_(place);
  return probes_ == 1 ? number : number / probes_;
}

void AdaptiveSweep::Drop(Stream& stream) {
  const uint64_t left = Left(stream);
  stream.next += left;
  walked_ += left;
  left_off_ += left;
}

size_t AdaptiveSweep::TakeFromStream(Stream& stream, Instant now,
                                     std::span<Probe> out) {
  const unsigned ttl = TtlOf(stream);
  const size_t place = PlaceOf(stream);
  const bool covered = neighborhood_.Covers(ttl);
  if (covered && neighborhood_.IsKnownEverywhere(ttl)) Drop(stream);
  size_t written = 0;
  while (stream.share >= 1 && Left(stream) > 0 && written < out.size()) {
    const IpAddress target = targets_[TargetAt(stream)];
    if (covered && neighborhood_.IsKnown(ttl, target)) {
      ++left_off_;
    } else {
      stream.held = limits_ && !limits_->May(place, now);
      if (stream.held) break;
      if (limits_) limits_->Asked(place);
      out[written++] = {target, Ttl(static_cast<uint8_t>(ttl)), FlowId(0)};
    }
    stream.share -= 1;
    Advance(stream);
  }
  // What was missed is made up for by having more left, not at once.
  stream.share = std::min(stream.share, 2.0);
  return written;
}

size_t AdaptiveSweep::TakeFromRest(std::span<Probe> out) {
  std::array<uint64_t, kBatch> numbers;
  const size_t count =
      std::min({kBatch, out.size(), rest_order_.size() - rest_next_});
  rest_order_.Fill(rest_next_, std::span(numbers).first(count));
  const uint64_t each = probes_ * rest_ttls_;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t target = numbers[i] / each;
    const uint64_t ttl =
        min_ttl_ + streams_.size() + (numbers[i] - target * each) % rest_ttls_;
    out[i] = {targets_[target], Ttl(static_cast<uint8_t>(ttl)), FlowId(0)};
  }
  rest_next_ += count;
  walked_ += count;
  return count;
}

size_t AdaptiveSweep::Deal(Instant now, std::span<Probe> out) {
  const auto slots = static_cast<double>(std::min(kBatch, out.size()));
  const double each = slots / static_cast<double>(walk_size_ - walked_);
  size_t written = 0;
  double free_slots = slots;
  for (Stream& stream : streams_) {
    stream.held = false;
    const auto left = static_cast<double>(Left(stream));
    stream.share += each * left;
    const uint64_t before = stream.next;
    written += TakeFromStream(stream, now, out.subspan(written));
    free_slots -= static_cast<double>(stream.next - before);
  }
  const auto rest = static_cast<size_t>(std::max(0.0, free_slots));
  return written + TakeFromRest(out.subspan(written).first(
                       std::min(rest, out.size() - written)));
}

bool AdaptiveSweep::AllHeld() const {
  return rest_next_ == rest_order_.size() &&
         std::all_of(streams_.begin(), streams_.end(),
                     [this](const auto& s) { return s.held || Left(s) == 0; });
}

void AdaptiveSweep::EndHeldBack(Instant now) {
  if (!limits_ || rest_next_ < rest_order_.size()) return;
  if (!rest_end_) rest_end_ = now;
  const Nanos most =
      std::max<Nanos>((*rest_end_ - *start_) / kStretch, kLeastStretch);
  if (now - *rest_end_ < most) return;
  for (Stream& stream : streams_) {
    if (neighborhood_.Covers(TtlOf(stream))) Drop(stream);
  }
}

void AdaptiveSweep::Finish(Instant now, size_t written) {
  if (written > 0) last_sent_ = now;
  if (!walk_done() || !fill_.idle()) return;
  done_ = !fill_.enabled() || (written == 0 && now - last_sent_ >= kPatience);
}

size_t AdaptiveSweep::Next(Instant now, std::span<Probe> out) {
  if (done_) return 0;
  if (!start_) start_ = now;
  EndHeldBack(now);
  size_t written = fill_.Next(now, out);
  const uint64_t most = walked_ + kMostLooks;
  while (written < out.size() && !walk_done() && walked_ < most) {
    written += Deal(now, out.subspan(written));
    if (AllHeld()) break;
  }
  Finish(now, written);
  return written;
}

}  // namespace

bool IsAdaptive(const StrategyOptions& options) {
  return options.fill > Ttl(0) || options.neighborhood > Ttl(0) ||
         options.router_pps > 0;
}

absl::StatusOr<std::unique_ptr<Strategy>> MakeAdaptiveSweep(
    const TargetSet& targets, const StrategyOptions& options) {
  const unsigned max = options.max_ttl.value();
  if (options.fill > Ttl(0) && options.fill <= options.max_ttl) {
    return absl::InvalidArgumentError(
        absl::StrCat("sweep: fill to TTL ", options.fill.value(),
                     ": must be above the last TTL, ", max));
  }
  if (options.neighborhood > Ttl(0) &&
      (options.neighborhood <= options.min_ttl ||
       options.neighborhood.value() > max)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sweep: neighborhood below TTL ", options.neighborhood.value(),
        ": must be above the first TTL, ", options.min_ttl.value(),
        ", and at most the last, ", max));
  }
  return std::make_unique<AdaptiveSweep>(targets, options);
}

}  // namespace fathom
