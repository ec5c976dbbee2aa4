#ifndef FATHOM_SRC_TRACE_HOP_ROW_H_
#define FATHOM_SRC_TRACE_HOP_ROW_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "fathom/probe.h"
#include "src/trace/rtt_stats.h"
#include "src/trace/tracer.h"

namespace fathom {

// A hop as a table shows it: all flows of a trace together.
struct HopRow {
  struct Responder {
    TraceResponder last{};        // Its replies are those of all flows.
    std::vector<FlowId> flows{};  // That it answered, ascending.
    RttStats rtts{};              // Of the cells where it answered alone.
  };

  Ttl ttl{};
  std::vector<Responder> responders{};  // In order of coming up, by flow.
  uint64_t sent = 0;  // But for those that are still waited for.
  uint64_t answered = 0;
  RttStats rtts{};

  // Of what was sent, 0 to 1.
  double loss() const {
    return sent == 0
               ? 0
               : 1 - static_cast<double>(answered) / static_cast<double>(sent);
  }
};

// REQUIRES: ttl within the tracer's options.
HopRow RowOf(const Tracer& tracer, Ttl ttl, Instant now);

// All rows worth showing, from the first TTL on.
std::vector<HopRow> RowsOf(const Tracer& tracer, Instant now);

// How a trace ended, in a word that scripts may rely on.
enum class TraceEnd : uint8_t {
  kTarget,       // It answered.
  kUnreachable,  // A router refuses to go on.
  kGap,          // Nobody answers any more.
  kMaxTtl,       // The path is longer than was asked for.
};
inline constexpr const char* kTraceEndNames[] = {"target", "unreachable", "gap",
                                                 "max_ttl"};

// Of the flow that got furthest in this order.
TraceEnd EndOf(const Tracer& tracer);

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_HOP_ROW_H_
