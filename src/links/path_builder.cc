#include "src/links/path_builder.h"

#include <algorithm>

#include "src/links/saturate.h"

namespace fathom {

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
  const bool ends =
      reply.kind != ReplyKind::kHop || reply.responder == reply.probe.target;
  if (path_.cells.empty() || path_.cells.back().ttl != reply.probe.ttl) {
    path_.cells.push_back({.ttl = reply.probe.ttl,
                           .kind = reply.kind,
                           .ends_path = ends,
                           .responder = reply.responder,
                           .received = reply.received,
                           .rtt = reply.rtt});
    probes_ = 0;
    AnswersAnotherProbe(reply);
    return;
  }
  Cell& cell = path_.cells.back();
  ++(AnswersAnotherProbe(reply) ? stats_.repeats : stats_.duplicates);
  cell.ambiguous |=
      cell.responder != reply.responder || cell.kind != reply.kind;
  cell.ends_path |= ends;
}

// Remembers the probe, too.
bool PathBuilder::AnswersAnotherProbe(const Reply& reply) {
  // The clock in a probe ticks ten times as often.
  constexpr Nanos kSame = std::chrono::milliseconds(1);
  if (reply.rtt < Nanos::zero() || probes_ == sent_.size()) return false;
  const Instant sent(Nanos(
      Subtract(reply.received.time_since_epoch().count(), reply.rtt.count())));
  for (size_t i = 0; i < probes_; ++i) {
    const auto [earlier, later] = std::minmax(sent_[i], sent);
    if (Subtract(later.time_since_epoch().count(),
                 earlier.time_since_epoch().count()) <= kSame.count()) {
      return false;
    }
  }
  sent_[probes_++] = sent;
  return true;
}

}  // namespace fathom
