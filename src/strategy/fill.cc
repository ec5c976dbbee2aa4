#include "src/strategy/fill.h"

#include <algorithm>

namespace fathom {

Fill::Fill(const TargetSet& targets, Ttl last, Ttl limit)
    : targets_(targets),
      last_(last.value()),
      ttls_(limit > last ? limit.value() - last_ : 0U),
      taken_(targets.size() * ttls_) {}

void Fill::Ask(std::deque<Waiting>& list, const Waiting& what) {
  if (what.ttl <= last_ || what.ttl > last_ + ttls_) return;
  if (taken_[Bit(what.target, what.ttl)] || list.size() >= kMaxWaiting) return;
  list.push_back(what);
}

void Fill::EndAt(size_t target, unsigned ttl) {
  for (unsigned t = std::max(ttl, last_) + 1; t <= last_ + ttls_; ++t) {
    taken_[Bit(target, t)] = true;
  }
}

void Fill::Observe(const Reply& reply) {
  const unsigned ttl = reply.probe.ttl.value();
  // Most replies are to lower TTLs and cost no look-up.
  if (!enabled() || ttl + 1 < last_ || ttl > last_ + ttls_) return;
  const auto target = targets_.Find(reply.probe.target);
  if (!target) return;
  if (reply.kind != ReplyKind::kHop) return EndAt(*target, ttl);
  const auto index = static_cast<uint32_t>(*target);
  Ask(soon_, {reply.received, index, static_cast<uint8_t>(ttl + 1)});
  Ask(later_,
      {reply.received + kPatience, index, static_cast<uint8_t>(ttl + 2)});
}

size_t Fill::TakeDue(std::deque<Waiting>& list, Instant now,
                     std::span<Probe> out) {
  size_t written = 0;
  while (!list.empty() && list.front().due <= now && written < out.size()) {
    const Waiting next = list.front();
    list.pop_front();
    auto taken = taken_[Bit(next.target, next.ttl)];
    if (taken) continue;
    taken = true;
    out[written++] = {targets_[next.target], Ttl(next.ttl), FlowId(0)};
  }
  return written;
}

size_t Fill::Next(Instant now, std::span<Probe> out) {
  if (!enabled()) return 0;
  size_t written = TakeDue(soon_, now, out);
  written += TakeDue(later_, now, out.subspan(written));
  asked_ += written;
  return written;
}

}  // namespace fathom
