#ifndef FATHOM_SRC_TRACE_TRACER_H_
#define FATHOM_SRC_TRACE_TRACER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fathom/probe.h"
#include "src/trace/rtt_stats.h"

namespace fathom {

// The path to one target, all hops asked at once.
//
// A round sends one probe to every hop of a flow that may exist: to the target
// once it is known how far that is, before to a horizon that moves on as
// routers near it answer. So a path takes one round trip, and what is silent
// costs the wait for it only. How long that is follows from the round trips
// heard: a hop with answers from beyond it is given twice that of its
// neighbours from its first probe on, and its later probes half of that.
//
// Pulled like a Strategy, and pure: time is handed in. Bounded: a cell (one hop
// of one flow) keeps its last probes and the addresses that answered, about
// 1 KB; there are at most 63 cells a flow.

struct TraceOptions {
  Ttl first_ttl{1};
  Ttl max_ttl{30};
  uint16_t flows = 1;     // From 0.
  uint32_t probes = 3;    // To each hop of each flow; 0: until stopped.
  uint8_t gap_limit = 5;  // Silent hops in a row that end the path.
  Nanos interval = std::chrono::milliseconds(25);   // From round to round.
  Nanos stagger = std::chrono::milliseconds(2);     // From flow to flow.
  Nanos min_wait = std::chrono::milliseconds(100);  // For an answer.
  Nanos max_wait = std::chrono::seconds(1);
};

// Who answered at a hop, and what the last of these answers said.
struct TraceResponder {
  IpAddress address{};
  ReplyKind kind = ReplyKind::kHop;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t tcp_flags = 0;
  uint8_t quoted_tos = 0;
  uint8_t changes = 0;  // QuoteChanges.
  Ttl arrival_ttl{};
  Ttl quoted_ttl{};
  std::vector<std::byte> extensions{};  // As in Reply.
  uint64_t replies = 0;
};

struct TraceProbe {
  static constexpr int kNobody = -1;

  Instant sent{};
  Nanos rtt = kUnknownRtt;
  int responder = kNobody;  // Its place in TraceCell::responders.
};

// One hop of one flow.
struct TraceCell {
  // More are not told apart: no router has so many addresses in one place.
  static constexpr size_t kMaxResponders = 32;
  static constexpr size_t kMaxProbes = 64;

  uint64_t sent = 0;
  uint64_t answered = 0;
  uint64_t repeated = 0;  // Answers to what was answered already.
  RttStats rtts{};
  std::vector<TraceResponder> responders{};  // In order of coming up.
  std::vector<TraceProbe> probes{};          // The last kMaxProbes, in order.
  int latest = TraceProbe::kNobody;          // Who answered last.
  Instant due{};                             // The next probe.
};

class Tracer {
 public:
  // REQUIRES: options.first_ttl <= options.max_ttl <= kMaxTtl, flows >= 1, and
  // gap_limit >= 1.
  Tracer(const IpAddress& target, const TraceOptions& options, Instant start);

  // Writes the probes that are due and returns how many. `now` is when they are
  // sent: the codec must be told the same.
  size_t Next(Instant now, std::span<Probe> out);

  // REQUIRES: reply.probe.target == target().
  void Observe(const Reply& reply);

  // Whether all was asked, and answered or waited for.
  bool Done(Instant now) const;

  // When there is more to send, or Done() may change, if nothing is heard.
  Instant NextEvent(Instant now) const;

  const IpAddress& target() const { return target_; }
  const TraceOptions& options() const { return options_; }
  Instant start() const { return start_; }
  Instant last_answer() const { return last_answer_; }

  // REQUIRES: flow < options.flows, and ttl within the options.
  const TraceCell& cell(FlowId flow, Ttl ttl) const {
    return cells_[IndexOf(flow, ttl)];
  }

  // Where the flow ends: at the target, or a router that refuses; nullopt if it
  // has not got there.
  std::optional<Ttl> EndOf(FlowId flow) const { return ends_[flow.value()]; }

  // The last hop worth showing: the end, or the last that answered with the
  // silent ones of the gap limit after it.
  Ttl LastOf(FlowId flow) const;
  // Of all flows.
  Ttl last() const;

  // Whether the target itself answered to any flow.
  bool reached() const;

  // How many of a cell's probes are still waited for.
  uint64_t Awaited(FlowId flow, Ttl ttl, Instant now) const;

 private:
  size_t IndexOf(FlowId flow, Ttl ttl) const {
    return size_t{flow.value()} * width_ +
           (ttl.value() - options_.first_ttl.value());
  }
  TraceCell& CellAt(FlowId flow, Ttl ttl) { return cells_[IndexOf(flow, ttl)]; }

  // Calls visit(flow, ttl, cell) for all cells that count now; until it
  // returns false.
  template <typename Visit>
  void VisitCells(Visit visit) const;

  // Up to where probes of the flow go now.
  Ttl Reach(FlowId flow) const;
  bool WantsProbe(const TraceCell& cell) const {
    return options_.probes == 0 || cell.sent < options_.probes;
  }
  // The round trip to the nearest hops that answer, itself included: the longer
  // of that before it and that behind it.
  Nanos TripNear(FlowId flow, Ttl ttl) const;
  // How long an answer to the first probe of this cell is waited for.
  Nanos WaitFor(FlowId flow, Ttl ttl) const;
  // Until when one to this probe of it is.
  static Instant Expiry(const TraceCell& cell, const TraceProbe& probe,
                        Nanos wait);
  static TraceProbe* Match(TraceCell& cell, const Reply& reply);
  static int RespondedBy(TraceCell& cell, const Reply& reply);
  // After an answer to the flow: where it ends, how far to ask, how long to
  // wait.
  void Learn(FlowId flow, Instant now);
  void MoveHorizon(FlowId flow, Instant now);

  IpAddress target_;
  TraceOptions options_;
  Instant start_;
  Instant last_answer_;
  size_t width_;  // Cells of a flow.
  std::vector<TraceCell> cells_;
  // By flow.
  std::vector<std::optional<Ttl>> ends_;
  std::vector<uint8_t> heard_;  // The highest TTL with an answer; 0 for none.
  std::vector<uint8_t>
      horizon_;  // The highest TTL asked while no end is known.
};

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_TRACER_H_
