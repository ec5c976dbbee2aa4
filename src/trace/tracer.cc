#include "src/trace/tracer.h"

#include <algorithm>
#include <cstdlib>

namespace fathom {
namespace {

// Most paths are shorter. What is asked beyond the target costs a packet, what
// is asked too late a round trip.
constexpr uint8_t kFirstHorizon = 16;
constexpr uint8_t kStep = 8;

// The time in a probe is told to 0.1 ms where a router quotes little; rounds
// are further apart than this.
constexpr Nanos kSameProbe = std::chrono::microseconds(400);

// Silence is told from slowness by this many round trips.
constexpr int kPatience = 2;

bool EndsPath(const TraceResponder& responder) {
  return responder.kind != ReplyKind::kHop;
}

}  // namespace

Tracer::Tracer(const IpAddress& target, const TraceOptions& options,
               Instant start)
    : target_(target),
      options_(options),
      start_(start),
      last_answer_(start),
      width_(size_t{options.max_ttl.value()} - options.first_ttl.value() + 1),
      cells_(width_ * options.flows),
      ends_(options.flows),
      heard_(options.flows),
      horizon_(options.flows,
               std::min<uint8_t>(
                   options.max_ttl.value(),
                   std::max<uint8_t>(kFirstHorizon,
                                     static_cast<uint8_t>(
                                         options.first_ttl.value() + kStep)))) {
  for (size_t i = 0; i < cells_.size(); ++i) {
    cells_[i].due = start + static_cast<int64_t>(i / width_) * options.stagger;
  }
}

template <typename Visit>
void Tracer::VisitCells(Visit visit) const {
  for (uint16_t f = 0; f < options_.flows; ++f) {
    const FlowId flow(f);
    const uint8_t last = LastOf(flow).value();
    for (uint8_t t = options_.first_ttl.value(); t <= last; ++t) {
      if (!visit(flow, Ttl(t), cell(flow, Ttl(t)))) return;
    }
  }
}

Ttl Tracer::Reach(FlowId flow) const {
  return ends_[flow.value()].value_or(Ttl(horizon_[flow.value()]));
}

Ttl Tracer::LastOf(FlowId flow) const {
  if (const auto end = ends_[flow.value()]) return *end;
  const int heard =
      std::max<int>(heard_[flow.value()], options_.first_ttl.value() - 1);
  return Ttl(static_cast<uint8_t>(
      std::min<int>(options_.max_ttl.value(), heard + options_.gap_limit)));
}

Ttl Tracer::last() const {
  Ttl last = options_.first_ttl;
  for (uint16_t f = 0; f < options_.flows; ++f) {
    last = std::max(last, LastOf(FlowId(f)));
  }
  return last;
}

bool Tracer::reached() const {
  return std::any_of(cells_.begin(), cells_.end(), [](const TraceCell& cell) {
    return std::any_of(cell.responders.begin(), cell.responders.end(),
                       [](const TraceResponder& responder) {
                         return responder.kind == ReplyKind::kDestination ||
                                responder.kind == ReplyKind::kAlias;
                       });
  });
}

size_t Tracer::Next(Instant now, std::span<Probe> out) {
  size_t count = 0;
  for (uint16_t f = 0; f < options_.flows; ++f) {
    const FlowId flow(f);
    const uint8_t reach = Reach(flow).value();
    for (uint8_t t = options_.first_ttl.value(); t <= reach; ++t) {
      TraceCell& cell = CellAt(flow, Ttl(t));
      if (!WantsProbe(cell) || cell.due > now) continue;
      if (count == out.size()) return count;
      out[count++] = {target_, Ttl(t), flow};
      ++cell.sent;
      cell.due =
          std::max(cell.due + options_.interval, now + options_.interval / 2);
      if (cell.probes.size() == TraceCell::kMaxProbes) {
        cell.probes.erase(cell.probes.begin());
      }
      cell.probes.push_back({.sent = now});
    }
  }
  return count;
}

// The probe of the cell that was sent when the reply says, if it waits. Where
// that time is lost or spoilt, the first one that waits: replies seldom
// overtake each other.
TraceProbe* Tracer::Match(TraceCell& cell, const Reply& reply) {
  TraceProbe* first = nullptr;
  TraceProbe* closest = nullptr;
  Nanos least = kSameProbe;
  for (TraceProbe& probe : cell.probes) {
    if (probe.sent > reply.received) break;
    const bool waits = probe.responder == TraceProbe::kNobody;
    if (waits && first == nullptr) first = &probe;
    if (reply.rtt == kUnknownRtt) continue;
    const Nanos off = std::chrono::abs(reply.received - reply.rtt - probe.sent);
    if (off > least) continue;
    least = off;
    closest = &probe;
  }
  if (closest == nullptr) return first;
  return closest->responder == TraceProbe::kNobody ? closest : nullptr;
}

int Tracer::RespondedBy(TraceCell& cell, const Reply& reply) {
  auto& all = cell.responders;
  auto it = std::find_if(all.begin(), all.end(), [&](const auto& responder) {
    return responder.address == reply.responder;
  });
  if (it == all.end()) {
    if (all.size() == TraceCell::kMaxResponders) all.pop_back();
    it = all.insert(all.end(), {.address = reply.responder});
  }
  it->kind = reply.kind;
  it->icmp_type = reply.icmp_type;
  it->icmp_code = reply.icmp_code;
  it->tcp_flags = reply.tcp_flags;
  it->quoted_tos = reply.quoted_tos;
  it->changes = reply.changes;
  it->arrival_ttl = reply.arrival_ttl;
  it->quoted_ttl = reply.quoted_ttl;
  it->extensions.assign(reply.extensions.bytes.begin(),
                        reply.extensions.bytes.end());
  ++it->replies;
  return static_cast<int>(it - all.begin());
}

void Tracer::Observe(const Reply& reply) {
  const FlowId flow = reply.probe.flow;
  const Ttl ttl = reply.probe.ttl;
  if (flow.value() >= options_.flows || ttl < options_.first_ttl ||
      ttl > options_.max_ttl) {
    return;
  }
  TraceCell& cell = CellAt(flow, ttl);
  TraceProbe* const probe = Match(cell, reply);
  if (probe == nullptr) {
    ++cell.repeated;
    return;
  }
  probe->responder = RespondedBy(cell, reply);
  // Our own record of the time is finer than what fits into a probe.
  probe->rtt = reply.received - probe->sent;
  cell.latest = probe->responder;
  ++cell.answered;
  cell.rtts.Add(probe->rtt);
  last_answer_ = std::max(last_answer_, reply.received);
  Learn(flow, reply.received);
}

void Tracer::Learn(FlowId flow, Instant now) {
  uint8_t heard = 0;
  uint8_t refused = 0;  // Where a router does, as the lowest such TTL.
  std::optional<Ttl> end;
  for (uint8_t t = options_.first_ttl.value(); t <= options_.max_ttl.value();
       ++t) {
    const TraceCell& at = cell(flow, Ttl(t));
    if (at.latest == TraceProbe::kNobody) continue;
    const auto& responder = at.responders[static_cast<size_t>(at.latest)];
    if (responder.kind == ReplyKind::kUnreachable) {
      if (refused == 0) refused = t;
      continue;
    }
    if (EndsPath(responder)) {
      end = Ttl(t);
      break;
    }
    // What got further was not refused for good.
    heard = t;
    refused = 0;
  }
  if (!end && refused != 0) end = Ttl(refused);
  ends_[flow.value()] = end;
  heard_[flow.value()] = heard;
  if (!end) MoveHorizon(flow, now);
}

void Tracer::MoveHorizon(FlowId flow, Instant now) {
  uint8_t& horizon = horizon_[flow.value()];
  const uint8_t max = options_.max_ttl.value();
  if (heard_[flow.value()] + options_.gap_limit <= horizon) return;
  const int wanted =
      std::max<int>(horizon + kStep, heard_[flow.value()] + options_.gap_limit);
  const auto beyond = static_cast<uint8_t>(std::min<int>(max, wanted));
  for (int t = horizon + 1; t <= beyond; ++t) {
    TraceCell& cell = CellAt(flow, Ttl(static_cast<uint8_t>(t)));
    cell.due = std::max(cell.due, now);
  }
  horizon = std::max(horizon, beyond);
}

Nanos Tracer::WaitFor(FlowId flow, Ttl ttl) const {
  const auto end = ends_[flow.value()];
  const bool answers_beyond = end || heard_[flow.value()] >= ttl.value();
  if (!answers_beyond) return options_.max_wait;
  return std::min(options_.max_wait,
                  std::max(options_.min_wait, kPatience * TripNear(flow, ttl)));
}

Nanos Tracer::TripNear(FlowId flow, Ttl ttl) const {
  Nanos longer{0};
  for (const int step : {-1, 1}) {
    for (int t = ttl.value();
         t >= options_.first_ttl.value() && t <= options_.max_ttl.value();
         t += step) {
      const TraceCell& at = cell(flow, Ttl(static_cast<uint8_t>(t)));
      if (at.answered == 0) continue;
      longer = std::max(longer, at.rtts.mean());
      break;
    }
  }
  return longer;
}

// Who said nothing for so long has nothing to say, however often it is asked.
Instant Tracer::Expiry(const TraceCell& cell, const TraceProbe& probe,
                       Nanos wait) {
  if (cell.answered > 0) return probe.sent + wait;
  return std::max(cell.probes.front().sent + wait, probe.sent + wait / 2);
}

uint64_t Tracer::Awaited(FlowId flow, Ttl ttl, Instant now) const {
  const Nanos wait = WaitFor(flow, ttl);
  const TraceCell& at = cell(flow, ttl);
  return static_cast<uint64_t>(std::count_if(
      at.probes.begin(), at.probes.end(), [&](const TraceProbe& probe) {
        return probe.responder == TraceProbe::kNobody &&
               Expiry(at, probe, wait) > now;
      }));
}

bool Tracer::Done(Instant now) const {
  bool done = true;
  VisitCells([&](FlowId flow, Ttl ttl, const TraceCell& cell) {
    done = !WantsProbe(cell) && Awaited(flow, ttl, now) == 0;
    return done;
  });
  return done;
}

Instant Tracer::NextEvent(Instant now) const {
  Instant next = Instant::max();
  for (uint16_t f = 0; f < options_.flows; ++f) {
    const FlowId flow(f);
    const uint8_t reach = std::max(Reach(flow), LastOf(flow)).value();
    for (uint8_t t = options_.first_ttl.value(); t <= reach; ++t) {
      const TraceCell& at = cell(flow, Ttl(t));
      if (WantsProbe(at) && t <= Reach(flow).value()) {
        next = std::min(next, at.due);
      }
      const Nanos wait = WaitFor(flow, Ttl(t));
      for (const TraceProbe& probe : at.probes) {
        if (probe.responder != TraceProbe::kNobody) continue;
        const Instant expiry = Expiry(at, probe, wait);
        if (expiry > now) next = std::min(next, expiry);
      }
    }
  }
  return next;
}

}  // namespace fathom
