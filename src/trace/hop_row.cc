#include "src/trace/hop_row.h"

#include <algorithm>

namespace fathom {
namespace {

void AddCell(const TraceCell& cell, FlowId flow, HopRow& row) {
  for (const TraceResponder& responder : cell.responders) {
    auto at = std::find_if(row.responders.begin(), row.responders.end(),
                           [&](const HopRow::Responder& known) {
                             return known.last.address == responder.address;
                           });
    if (at == row.responders.end()) {
      at = row.responders.insert(at, {.last = responder});
    } else {
      const uint64_t before = at->last.replies;
      at->last = responder;
      at->last.replies += before;
    }
    at->flows.push_back(flow);
    if (cell.responders.size() == 1) at->rtts.Merge(cell.rtts);
  }
}

}  // namespace

HopRow RowOf(const Tracer& tracer, Ttl ttl, Instant now) {
  HopRow row{.ttl = ttl};
  for (uint16_t f = 0; f < tracer.options().flows; ++f) {
    const FlowId flow(f);
    if (ttl > tracer.LastOf(flow)) continue;
    const TraceCell& cell = tracer.cell(flow, ttl);
    row.sent += cell.sent - tracer.Awaited(flow, ttl, now);
    row.answered += cell.answered;
    row.rtts.Merge(cell.rtts);
    AddCell(cell, flow, row);
  }
  return row;
}

std::vector<HopRow> RowsOf(const Tracer& tracer, Instant now) {
  std::vector<HopRow> rows;
  for (uint8_t t = tracer.options().first_ttl.value();
       t <= tracer.last().value(); ++t) {
    rows.push_back(RowOf(tracer, Ttl(t), now));
  }
  return rows;
}

TraceEnd EndOf(const Tracer& tracer) {
  if (tracer.reached()) return TraceEnd::kTarget;
  TraceEnd end = TraceEnd::kMaxTtl;
  for (uint16_t f = 0; f < tracer.options().flows; ++f) {
    const FlowId flow(f);
    if (tracer.EndOf(flow)) return TraceEnd::kUnreachable;
    const Ttl last = tracer.LastOf(flow);
    if (tracer.cell(flow, last).answered == 0) end = TraceEnd::kGap;
  }
  return end;
}

}  // namespace fathom
