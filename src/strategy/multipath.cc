// Multipath: all links that the flows to a target's /24 can show.
//
// Diamond-Miner (Vermeulen et al. 2020) sends six flows to every /24 at every
// TTL, and more where it saw several next hops. Here a balancer is sampled as
// often as the same rule demands, but by all targets together:
//
//   * One flow finds the path of each target, back from where it probably ends
//     to what is known (base_walk.h).
//   * What every probe shows is evidence about the router before it, kept for
//     all targets (balancers.h). A target only sends what is missing yet.
//   * Flows differ in the address within the /24, so that balancers that hash
//     addresses only are seen too (sibling_flows.h).
//
// There are no rounds over all targets: as many as keep the rate busy are under
// way, each with rounds of its own.

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <limits>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/block.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"
#include "src/schedule/permutation.h"
#include "src/strategy/balancers.h"
#include "src/strategy/flow_planner.h"
#include "src/strategy/sibling_flows.h"
#include "src/strategy/trace.h"
#include "src/strategy/trace_reader.h"

namespace fathom {
namespace {

// Where the first walk is begun, and later ones whose neighbours tell nothing.
constexpr size_t kFirstGuess = 13;

// How far apart in the list of targets neighbours may be.
constexpr size_t kNeighbours = 16;

// So many targets are under way at most, 2 KB each.
constexpr size_t kMaxActive = size_t{1} << 18;

// So often the way back goes over a router before the next one may stop there:
// it may have several before it, each to be seen.
constexpr uint32_t kVisits = 2;

// How long a reply is waited for: twice the slowest of late, within bounds.
constexpr Nanos kShortestWait = std::chrono::milliseconds(200);
constexpr Nanos kLongestWait = std::chrono::seconds(2);

// How many bits a target must share with those that tell where its path ends.
constexpr int kNear = 16;

Node NodeOf(const IpAddress& address) { return ShortNumber(address); }

class Multipath final : public Strategy {
 public:
  Multipath(const TargetSet& targets, const StrategyOptions& options)
      : targets_(targets),
        options_(options),
        columns_(std::min(
            size_t{1} + options.max_ttl.value() - options.min_ttl.value(),
            FlowTable::kMaxColumns)),
        order_(targets.size(), options.seed),
        flows_(targets_, options_),
        balancers_(1 - options.confidence),
        reader_(balancers_),
        planner_({.balancers = balancers_,
                  .flows = flows_,
                  .prefix_probes = options.prefix_probes,
                  .min_ttl = options.min_ttl.value()}),
        ends_(targets.size()) {}
  Multipath(const Multipath&) = delete;
  Multipath& operator=(const Multipath&) = delete;

  size_t Next(Instant now, std::span<Probe> out) override;
  void Observe(std::span<const Reply> replies) override;
  bool done() const override {
    return begun_ == targets_.size() && active_.empty();
  }
  uint64_t planned() const override;

 private:
  struct Sent {
    Instant when;
    uint32_t target;
    uint16_t row;
    uint8_t column;
    bool again;
  };

  void Begin(uint32_t target);
  void End(const Trace& trace);
  size_t GuessEnd(uint32_t target) const;
  void Expire(Instant now);
  size_t Step(Trace& trace, std::span<Probe> out);
  size_t StepWalk(Trace& trace, std::span<Probe> out);
  void Remember(Instant now, const Trace& trace, std::span<const Probe> probes);
  void Hear(const Reply& reply, Trace& trace);
  bool EndRepeat(Trace& trace, size_t row, size_t column);
  void HearAgain(const Reply& reply, Trace& trace, size_t row, size_t column);
  void Arrived(Trace& trace);
  // What is at a cell is settled now.
  void Settle(Trace& trace, size_t row, size_t column);
  BaseWalk::Answer AnswerAt(Trace& trace, size_t column);
  void LearnRtt(Nanos rtt);
  Ttl TtlAt(size_t column) const {
    return Ttl(static_cast<uint8_t>(options_.min_ttl.value() + column));
  }

  const TargetSet& targets_;
  const StrategyOptions options_;
  const size_t columns_;
  const Permutation order_;
  const SiblingFlows flows_;
  Balancers balancers_;
  TraceReader reader_;
  FlowPlanner planner_;
  // The last column of each target's path, from 1; 0: not known yet.
  std::vector<uint8_t> ends_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Trace>> active_;
  std::deque<uint32_t> ready_;  // Active, with nothing on the way.
  // In order of time. No longer than what is sent while a reply is waited for.
  std::deque<Sent> sent_at_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  uint64_t sent_ = 0;
  Nanos wait_ = std::chrono::seconds(1);
  Nanos rtt_ = std::chrono::milliseconds(300);
};

uint64_t Multipath::planned() const {
  // Paths to come cost about what those so far did.
  const uint64_t left = targets_.size() - finished_;
  if (left == 0) return sent_;
  const uint64_t each = finished_ == 0 ? 25 : sent_ / finished_ + 1;
  return sent_ + left * each;
}

// Where the paths of the nearest targets end.
size_t Multipath::GuessEnd(uint32_t target) const {
  for (size_t apart = 1; apart <= kNeighbours; ++apart) {
    size_t sum = 0, count = 0;
    for (const size_t near : {target - apart, target + apart}) {
      // Also where the subtraction wrapped.
      if (near >= targets_.size() || ends_[near] == 0) continue;
      if (SharedBits(targets_[near], targets_[target]) < kNear) continue;
      sum += ends_[near];
      ++count;
    }
    if (count != 0) return (sum + count - 1) / count - 1;
  }
  return kFirstGuess;
}

void Multipath::Begin(uint32_t target) {
  const size_t start = std::min(GuessEnd(target), columns_ - 1);
  auto trace = std::make_unique<Trace>(target, start, columns_);
  trace->table.AddRow(targets_[target], FlowId(0));
  trace->ready = true;
  active_.emplace(target, std::move(trace));
  ready_.push_back(target);
}

size_t Multipath::Next(Instant now, std::span<Probe> out) {
  Expire(now);
  size_t written = 0;
  while (written < out.size()) {
    if (ready_.empty()) {
      if (begun_ == targets_.size() || active_.size() >= kMaxActive) break;
      Begin(static_cast<uint32_t>(order_(begun_++)));
    }
    Trace& trace = *active_.find(ready_.front())->second;
    const std::span<Probe> room = out.subspan(written);
    const size_t count = Step(trace, room);
    Remember(now, trace, room.first(count));
    written += count;
    // With all the room taken there may be more to write.
    if (count == room.size()) break;
    ready_.pop_front();
    trace.ready = false;
    if (trace.waiting == 0) End(trace);
  }
  sent_ += written;
  return written;
}

void Multipath::End(const Trace& trace) {
  if (trace.walk.any()) {
    ends_[trace.target] = static_cast<uint8_t>(trace.walk.last() + 1);
  }
  ++finished_;
  active_.erase(trace.target);
}

size_t Multipath::Step(Trace& trace, std::span<Probe> out) {
  if (trace.walking) {
    const size_t count = StepWalk(trace, out);
    if (count > 0 || trace.waiting > 0) return count;
    if (!trace.walk.any()) return 0;
    reader_.ReadWalk(trace);
  } else if (trace.waiting == 0) {
    reader_.ReadRound(trace);
  }
  return planner_.Plan(trace, out);
}

size_t Multipath::StepWalk(Trace& trace, std::span<Probe> out) {
  if (trace.to_walk == 0 && trace.waiting == 0) {
    trace.to_walk = trace.walk.Next(trace.walk_columns);
  }
  size_t count = 0;
  while (count < out.size() && trace.to_walk > 0 &&
         trace.sent < options_.prefix_probes) {
    const size_t column = trace.walk_columns[--trace.to_walk];
    FlowTable::Row& base = trace.table.row(0);
    base.asked |= FlowTable::Bit(column);
    base.known &= ~FlowTable::Bit(column);
    base.silent &= ~FlowTable::Bit(column);
    out[count++] = {targets_[trace.target], TtlAt(column), FlowId(0)};
    ++trace.sent;
    ++trace.waiting;
  }
  return count;
}

void Multipath::Remember(Instant now, const Trace& trace,
                         std::span<const Probe> probes) {
  for (const Probe& probe : probes) {
    const size_t row = *trace.table.Find(probe.target, probe.flow);
    const auto column =
        static_cast<uint8_t>(probe.ttl.value() - options_.min_ttl.value());
    sent_at_.push_back({now, trace.target, static_cast<uint16_t>(row), column,
                        trace.table.Known(row, column)});
  }
}

void Multipath::Expire(Instant now) {
  while (!sent_at_.empty() && now - sent_at_.front().when >= wait_) {
    const Sent sent = sent_at_.front();
    sent_at_.pop_front();
    const auto found = active_.find(sent.target);
    if (found == active_.end()) continue;
    Trace& trace = *found->second;
    if (sent.again) {
      EndRepeat(trace, sent.row, sent.column);
      continue;
    }
    if (trace.table.Known(sent.row, sent.column)) continue;
    trace.table.row(sent.row).silent |= FlowTable::Bit(sent.column);
    Settle(trace, sent.row, sent.column);
  }
}

void Multipath::Observe(std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    const auto owner = flows_.OwnerOf(reply.probe.target);
    if (!owner) continue;
    const auto found = active_.find(static_cast<uint32_t>(*owner));
    if (found != active_.end()) Hear(reply, *found->second);
  }
}

void Multipath::Hear(const Reply& reply, Trace& trace) {
  const int column = reply.probe.ttl.value() - options_.min_ttl.value();
  if (column < 0 || column >= static_cast<int>(columns_)) return;
  const auto at = static_cast<size_t>(column);
  const auto row = trace.table.Find(reply.probe.target, reply.probe.flow);
  if (!row || !trace.table.Asked(*row, at)) return;
  if (trace.table.Known(*row, at)) return HearAgain(reply, trace, *row, at);
  LearnRtt(reply.rtt);
  const bool hop =
      reply.kind == ReplyKind::kHop && reply.responder != reply.probe.target;
  if (hop) trace.table.SetNode(*row, at, NodeOf(reply.responder));
  Settle(trace, *row, at);
}

// False if no repeat is waited for.
bool Multipath::EndRepeat(Trace& trace, size_t row, size_t column) {
  for (Trace::Repeat& repeat : trace.repeats) {
    if (repeat.row != row || repeat.column != column) continue;
    if (!repeat.waiting) return false;
    repeat.waiting = false;
    Arrived(trace);
    return true;
  }
  return false;
}

void Multipath::HearAgain(const Reply& reply, Trace& trace, size_t row,
                          size_t column) {
  if (reply.kind != ReplyKind::kHop || !EndRepeat(trace, row, column)) return;
  const Node near = trace.table.node(row, column - 1);
  const Node far = trace.table.node(row, column);
  if (!balancers_.Knows(near, far)) return;
  if (NodeOf(reply.responder) == far) {
    balancers_.CountRepeat(near, far);
  } else {
    balancers_.SetPerPacket(near, far);
  }
}

void Multipath::Settle(Trace& trace, size_t row, size_t column) {
  FlowTable::Row& flow = trace.table.row(row);
  flow.known |= FlowTable::Bit(column);
  flow.fresh |= FlowTable::Bit(column);
  if (trace.walking) trace.walk.Tell(column, AnswerAt(trace, column));
  Arrived(trace);
}

void Multipath::Arrived(Trace& trace) {
  --trace.waiting;
  if (trace.waiting == 0 && !trace.ready) {
    trace.ready = true;
    ready_.push_back(trace.target);
  }
}

BaseWalk::Answer Multipath::AnswerAt(Trace& trace, size_t column) {
  const FlowTable& table = trace.table;
  if ((table.row(0).silent & FlowTable::Bit(column)) != 0) {
    return BaseWalk::Answer::kNone;
  }
  const Node node = table.node(0, column);
  if (node == 0) return BaseWalk::Answer::kEnd;
  for (size_t c = 0; c < columns_; ++c) {
    if (c == column || !table.Known(0, c) || table.node(0, c) != node) continue;
    trace.walk.LoopAt(std::max(c, column));
    return c < column ? BaseWalk::Answer::kEnd : BaseWalk::Answer::kNew;
  }
  // Nor can be told there what is before it.
  if (balancers_.IsStrewn(node)) return BaseWalk::Answer::kKnown;
  return balancers_.Visit(node, column) >= kVisits ? BaseWalk::Answer::kKnown
                                                   : BaseWalk::Answer::kNew;
}

void Multipath::LearnRtt(Nanos rtt) {
  if (rtt < Nanos(0)) return;
  // Rises fast and falls slowly: near the slowest of late.
  rtt_ = rtt > rtt_ ? rtt_ + (rtt - rtt_) / 16 : rtt_ - (rtt_ - rtt) / 256;
  wait_ = std::clamp(2 * rtt_, kShortestWait, kLongestWait);
}

absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl) {
    return absl::InvalidArgumentError(absl::StrCat(
        "multipath TTLs ", options.min_ttl.value(), " to ",
        options.max_ttl.value(), ": 1 <= first <= last is needed"));
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "multipath: a confidence of ", options.confidence, "; 0 to 1 it is"));
  }
  if (targets.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError("multipath: more than 2^32 targets");
  }
  return std::make_unique<Multipath>(targets, options);
}

const Register<StrategyModule> kMultipath(
    {.name = "multipath",
     .help = "all paths that balancers open, as sure as asked for",
     .make = &Make,
     .flows = SiblingFlows::kFlows,
     .repeats = 2 + FlowPlanner::kMaxRepeats});

}  // namespace
}  // namespace fathom
