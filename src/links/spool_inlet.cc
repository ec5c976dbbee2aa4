#include "src/links/spool_inlet.h"

#include <algorithm>
#include <utility>

namespace fathom {

void SpoolInlet::Consume(Instant now, std::span<const Reply> replies) {
  last_now_ = now;
  for (const Reply& reply : replies) {
    const size_t bucket = parts_.buckets.Find(reply.probe.target);
    if (open_[bucket] == nullptr) Begin(bucket, now);
    ReplyBuffer& buffered = open_[bucket]->replies;
    buffered.Add(reply);
    if (buffered.size() == parts_.buffer_records) Seal(bucket, now);
  }
  if (oldest_ && now - *oldest_ >= parts_.flush_interval) {
    FlushOlder(now, parts_.flush_interval);
  }
  NoteHanded(now);
}

void SpoolInlet::Flush(Instant now) {
  FlushOlder(now, Nanos::min());
  NoteHanded(now);
}

void SpoolInlet::NoteHanded(Instant now) {
  const Instant until = oldest_.value_or(now);
  handed_until_.store(until.time_since_epoch().count(),
                      std::memory_order_release);
}

void SpoolInlet::Begin(size_t bucket, Instant now) {
  auto buffer = parts_.writer.Acquire();
  buffer->bucket = static_cast<uint32_t>(bucket);
  buffer->opened = now;
  oldest_ = oldest_ ? std::min(*oldest_, now) : now;
  open_[bucket] = std::move(buffer);
}

void SpoolInlet::Seal(size_t bucket, Instant now) {
  open_[bucket]->sealed = now;
  parts_.writer.Submit(std::move(open_[bucket]));
}

void SpoolInlet::FlushOlder(Instant now, Nanos age) {
  oldest_.reset();
  for (size_t bucket = 0; bucket < open_.size(); ++bucket) {
    if (open_[bucket] == nullptr) continue;
    const Instant opened = open_[bucket]->opened;
    if (now - opened >= age) {
      Seal(bucket, now);
    } else {
      oldest_ = oldest_ ? std::min(*oldest_, opened) : opened;
    }
  }
}

}  // namespace fathom
