// Back and forward: starts where the path to a target probably leaves what is
// known, walks back until it comes to what is known, and forward until nothing
// answers any more.
//
// Routers near us stand on the paths to many targets. Doubletree (Donnet et al.
// 2005) and FlashRoute (Huang et al. 2020) ask for each of them but once. Four
// things are done differently here:
//
//   * A walk starts where its neighbours' paths parted (traces.h), not at a
//     fixed TTL or near the end: what is new lies behind that, and what is
//     known need not be asked again.
//   * There are no rounds. As many walks are under way as the rate keeps busy,
//     and each goes on as soon as it has heard, or has waited long enough.
//   * No gap limit and no single stop: whether another probe is worth it is
//     learnt as the scan goes (yields.h, path_walk.h). So a known router ends
//     the way back only if going on there has brought nothing: behind a
//     balancer it is entered from several others, and each link is wanted.
//   * Targets are begun in an order that gives each of them neighbours that
//     are done, and none sooner than there are enough of these.
//
// Memory for 16 million targets, in MB: 64 targets, 128 traces; walks, at most
// 458,752 of them in a table of 2^19 places, 55, and 28 more as it grows; what
// was sent and is waited for 17; 3.7 million routers 122, and 61 more as their
// table grows. In all 475 at most; 667 of IPv6, whose targets are longer.

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"
#include "src/strategy/path_walk.h"

namespace fathom {
namespace {

constexpr int kLastTtl = 63;

// Where the first walks start, and later ones whose neighbours tell nothing.
constexpr int kFirstGuess = 10;

// So many paths must have ended before they tell where others end.
constexpr uint64_t kEnoughToGuess = 100;

// So many walks are under way from the start; then one more for each that has
// ended, so that most have neighbours to go by.
constexpr uint64_t kFirstWalks = 1024;
constexpr uint64_t kMostWalks = uint64_t{7} << 16;

// How long a reply is waited for: twice the slowest of late, within bounds.
// What comes later is noted all the same; it was only not gone by.
constexpr Nanos kShortestWait = std::chrono::milliseconds(200);
constexpr Nanos kLongestWait = std::chrono::milliseconds(500);

class BackForward final : public Strategy {
 public:
  BackForward(const TargetSet& targets, const StrategyOptions& options)
      : targets_(targets),
        ipv4_(targets.family() == Family::kIpv4),
        min_ttl_(options.min_ttl.value()),
        max_ttl_(std::min<int>(options.max_ttl.value(), kLastTtl)),
        min_yield_(static_cast<Yields::Share>(1000 * options.min_yield)),
        order_(targets.size(), options.seed),
        traces_(targets, order_),
        knowledge_{Yields(PathWalk::Contexts(), options.seed), StopSet()} {}

  size_t Next(Instant now, std::span<Probe> out) override;
  void Observe(std::span<const Reply> replies) override;
  bool done() const override { return ended_ == targets_.size(); }
  uint64_t planned() const override {
    // Walks to come cost about what those so far did.
    const uint64_t left = targets_.size() - ended_;
    const uint64_t each = ended_ == 0 ? 6 : sent_ / ended_ + 1;
    return sent_ + left * each;
  }

 private:
  struct Walk {
    uint32_t index;  // Of the target.
    PathWalk path;
  };

  // A probe that is to be sent, or that is waited for.
  struct Sent {
    Instant when;
    uint32_t index;
    uint8_t ttl;
  };

  PathWalk::Bounds BoundsOf(uint32_t index) const {
    return {min_ttl_, max_ttl_, uint64_t{index} << 8, min_yield_};
  }
  uint32_t KeyOf(uint32_t index) const {
    return ipv4_ ? targets_[index].v4() : index;
  }
  std::optional<uint32_t> KeyOf(const IpAddress& target) const;
  bool BeginOne();
  int GuessEnd() const;
  Probe Send(Instant now, uint32_t index, int ttl);
  void End(const Walk& walk);
  void Expire(Instant now);
  void LearnRtt(Nanos rtt);

  const TargetSet& targets_;
  const bool ipv4_;
  const int min_ttl_;
  const int max_ttl_;
  const Yields::Share min_yield_;
  const SpreadOrder order_;
  Traces traces_;
  PathWalk::Knowledge knowledge_;
  // By address, so that a reply finds its walk without a search of targets; of
  // IPv6, to be as small, by index, and a search it is.
  absl::flat_hash_map<uint32_t, Walk> walks_;
  std::deque<uint32_t> ready_;  // Indices of walks that wait for nothing.
  std::deque<Sent> sent_at_;    // In order of time, at most two a walk.
  // The forward probe of a walk for which there was no room behind the other.
  std::optional<Sent> held_;
  std::array<uint32_t, kLastTtl + 1> ends_{};  // How many paths ended at a TTL.
  uint64_t place_ = 0;  // In the order: the next target to begin.
  uint64_t ended_ = 0;
  uint64_t sent_ = 0;
  Nanos wait_ = std::chrono::seconds(1);
  Nanos rtt_ = std::chrono::milliseconds(300);
};

// What is in the middle of all ends so far.
int BackForward::GuessEnd() const {
  if (ended_ < kEnoughToGuess) return kFirstGuess;
  uint64_t up_to = 0;
  size_t end = 0;
  while (up_to * 2 < ended_) up_to += ends_[end++];
  return static_cast<int>(end) - 1;
}

// Of what may be no target.
std::optional<uint32_t> BackForward::KeyOf(const IpAddress& target) const {
  if (ipv4_) {
    if (target.family() != Family::kIpv4) return std::nullopt;
    return target.v4();
  }
  const auto index = targets_.Find(target);
  if (!index) return std::nullopt;
  return static_cast<uint32_t>(*index);
}

bool BackForward::BeginOne() {
  if (walks_.size() >= std::min(kFirstWalks + ended_, kMostWalks)) return false;
  while (place_ < order_.places()) {
    const auto place = order_(place_++);
    if (!place) continue;
    const auto index = static_cast<uint32_t>(*place);
    traces_.Begin(index);
    walks_.try_emplace(KeyOf(index),
                       Walk{index, PathWalk(traces_.Around(index), GuessEnd(),
                                            BoundsOf(index))});
    ready_.push_back(index);
    return true;
  }
  return false;
}

Probe BackForward::Send(Instant now, uint32_t index, int ttl) {
  const auto byte = static_cast<uint8_t>(ttl);
  sent_at_.push_back({now, index, byte});
  ++sent_;
  return {targets_[index], Ttl(byte), FlowId(0)};
}

size_t BackForward::Next(Instant now, std::span<Probe> out) {
  Expire(now);
  size_t written = 0;
  while (written < out.size()) {
    if (held_) {
      out[written++] = Send(now, held_->index, held_->ttl);
      held_.reset();
      continue;
    }
    if (ready_.empty() && !BeginOne()) break;
    const uint32_t index = ready_.front();
    ready_.pop_front();
    Walk& walk = walks_.find(KeyOf(index))->second;
    const auto step = walk.path.Next(knowledge_, BoundsOf(index));
    if (!walk.path.waiting()) End(walk);
    if (step.back != 0) out[written++] = Send(now, index, step.back);
    if (step.forward == 0) continue;
    held_ = Sent{now, index, static_cast<uint8_t>(step.forward)};
  }
  return written;
}

void BackForward::End(const Walk& walk) {
  const uint32_t index = walk.index;
  const Traces::Path path = walk.path.Finish(knowledge_);
  traces_.Finish(index, path);
  ++ends_[static_cast<size_t>(HighestTtl(path.answered))];
  ++ended_;
  walks_.erase(KeyOf(index));
}

void BackForward::Expire(Instant now) {
  for (; !sent_at_.empty() && now - sent_at_.front().when >= wait_;
       sent_at_.pop_front()) {
    const Sent& sent = sent_at_.front();
    const auto found = walks_.find(KeyOf(sent.index));
    if (found == walks_.end()) continue;
    PathWalk& path = found->second.path;
    if (!path.Awaits(sent.ttl)) continue;
    path.Miss(sent.ttl, knowledge_);
    if (!path.waiting()) ready_.push_back(sent.index);
  }
}

void BackForward::Observe(std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    const int ttl = reply.probe.ttl.value();
    if (ttl < min_ttl_ || ttl > max_ttl_) continue;
    const auto key = KeyOf(reply.probe.target);
    if (!key) continue;
    const auto found = walks_.find(*key);
    if (found == walks_.end()) continue;
    LearnRtt(reply.rtt);
    PathWalk& path = found->second.path;
    const bool awaited = path.Awaits(ttl);
    // Never 0, which stands for none.
    const auto router = static_cast<uint32_t>(
        Mix(reply.responder.high() ^ Mix(reply.responder.low())) | 1);
    path.Hear(ttl, router, reply.kind, knowledge_);
    if (awaited && !path.waiting()) ready_.push_back(found->second.index);
  }
}

void BackForward::LearnRtt(Nanos rtt) {
  if (rtt < Nanos(0)) return;
  // Rises fast and falls slowly: near the slowest of late.
  rtt_ = rtt > rtt_ ? rtt_ + (rtt - rtt_) / 16 : rtt_ - (rtt_ - rtt) / 256;
  wait_ = std::clamp(2 * rtt_, kShortestWait, kLongestWait);
}

absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl ||
      options.min_ttl > Ttl(kLastTtl)) {
    return absl::InvalidArgumentError(
        absl::StrCat("back_forward TTLs ", options.min_ttl.value(), " to ",
                     options.max_ttl.value(),
                     ": 1 <= first <= last is needed, first <= ", kLastTtl));
  }
  if (targets.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError("back_forward: too many targets");
  }
  return std::make_unique<BackForward>(targets, options);
}

const Register<StrategyModule> kBackForward(
    {"back_forward", "from where a path is new, back and forward", &Make});

}  // namespace
}  // namespace fathom
