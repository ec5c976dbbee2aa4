#include "src/links/path_builder.h"

#include <algorithm>

#include "src/links/saturate.h"
#include "src/net/icmp_extensions.h"

namespace fathom {
namespace {

Instant SentAt(Instant received, Nanos rtt) {
  if (rtt < Nanos::zero()) return received;
  return Instant(
      Nanos(Subtract(received.time_since_epoch().count(), rtt.count())));
}

Instant SentAt(const Reply& reply) { return SentAt(reply.received, reply.rtt); }

bool EndsPath(const Reply& reply) {
  return reply.kind != ReplyKind::kHop || reply.responder == reply.probe.target;
}

// A tunnel that copies the TTL into its labels shows its routers, with labels
// whose TTL has run out. One that does not starts them at 255, and they still
// have most of it at its end.
Cell::Labels LabelsOf(const Reply& reply) {
  if (reply.extensions.bytes.empty()) return Cell::Labels::kNone;
  Cell::Labels labels = Cell::Labels::kNone;
  for (const MplsLabel& label : MplsStackOf(reply.extensions.bytes)) {
    if (1 < label.ttl && label.ttl < 255) return Cell::Labels::kEnd;
    labels = Cell::Labels::kInside;
  }
  return labels;
}

}  // namespace

Instant Cell::first_sent() const { return SentAt(received, rtt); }

void PathBuilder::Add(std::span<const Reply> replies, Sink sink) {
  for (const Reply& reply : replies) {
    const Probe& probe = reply.probe;
    if (probe.target != path_.target || probe.flow != path_.flow) {
      Finish(sink);
      path_.target = probe.target;
      path_.flow = probe.flow;
    }
    AddToPath(reply);
  }
  stats_.replies += replies.size();
}

void PathBuilder::Finish(Sink sink) {
  if (path_.cells.empty()) return;
  ++stats_.paths;
  stats_.cells += path_.cells.size();
  sink(path_);
  path_.cells.clear();
}

void PathBuilder::AddToPath(const Reply& reply) {
  if (path_.cells.empty() || path_.cells.back().ttl != reply.probe.ttl) {
    return BeginCell(reply);
  }
  Cell& cell = path_.cells.back();
  const bool another = AnswersAnotherProbe(reply);
  ++(another ? stats_.repeats : stats_.duplicates);
  cell.ends_path |= EndsPath(reply);
  if (cell.responder != reply.responder || cell.kind != reply.kind) {
    cell.ambiguous = true;
    // One probe, two answers: nothing that changed in between.
    cell.mixed |= !another;
    if (another) BeginRun(reply, cell);
  } else if (another) {
    cell.answers = std::max<uint8_t>(cell.answers, cell.answers + 1);
    cell.last_sent = std::max(cell.last_sent, SentAt(reply));
  }
}

void PathBuilder::BeginCell(const Reply& reply) {
  path_.cells.push_back({.ttl = reply.probe.ttl,
                         .kind = reply.kind,
                         .ends_path = EndsPath(reply),
                         .quoted_ttl = reply.quoted_ttl,
                         .labels = LabelsOf(reply),
                         .responder = reply.responder,
                         .received = reply.received,
                         .rtt = reply.rtt,
                         .last_sent = SentAt(reply)});
  probes_ = runs_ = 0;
  AnswersAnotherProbe(reply);
}

void PathBuilder::BeginRun(const Reply& reply, Cell& cell) {
  if (runs_ == earlier_.size()) {
    cell.mixed = true;
    return;
  }
  earlier_[runs_++] = {cell.responder, cell.kind};
  for (size_t i = 0; i < runs_; ++i) {
    cell.mixed |= earlier_[i].responder == reply.responder &&
                  earlier_[i].kind == reply.kind;
  }
  cell.responder = reply.responder;
  cell.kind = reply.kind;
  cell.quoted_ttl = reply.quoted_ttl;
  cell.labels = LabelsOf(reply);
  cell.answers = 1;
  cell.received = reply.received;
  cell.rtt = reply.rtt;
  cell.last_sent = SentAt(reply);
}

// Remembers the probe, too.
bool PathBuilder::AnswersAnotherProbe(const Reply& reply) {
  // The clock in a probe ticks ten times as often. Where the time of sending is
  // not known, that of the reply stands for it, and a copy may be late.
  constexpr Nanos kSame = std::chrono::milliseconds(1);
  constexpr Nanos kCopy = std::chrono::milliseconds(500);
  if (probes_ == sent_.size()) return false;
  const Nanos same = reply.rtt < Nanos::zero() ? kCopy : kSame;
  const Instant sent = SentAt(reply);
  for (size_t i = 0; i < probes_; ++i) {
    const auto [earlier, later] = std::minmax(sent_[i], sent);
    if (Subtract(later.time_since_epoch().count(),
                 earlier.time_since_epoch().count()) <= same.count()) {
      return false;
    }
  }
  sent_[probes_++] = sent;
  return true;
}

}  // namespace fathom
