#ifndef FATHOM_BENCH_LINKS_WORLD_H_
#define FATHOM_BENCH_LINKS_WORLD_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "fathom/probe.h"
#include "src/base/hash.h"
#include "src/links/bucket_map.h"

namespace fathom {

// Replies as a scan of many /24s hears them, in the order of a random
// permutation: paths of about sixteen hops through a tree that is narrow near
// us and wide further out, one target in eight answering.
inline std::vector<Reply> ScanReplies(uint32_t targets) {
  std::vector<Reply> replies;
  for (uint32_t i = 0; i < targets; ++i) {
    const uint32_t target = 0x0b00'0000 + (i << 8 | (Mix(i) & 0xff));
    const auto length = static_cast<uint32_t>(12 + Mix(i) % 9);
    for (uint32_t ttl = 1; ttl <= length; ++ttl) {
      const uint64_t chance = Derive(i, ttl);
      if (chance % 8 == 0) continue;  // Silent.
      // Targets share a router while their upper bits agree.
      const uint32_t shared = target >> std::max(10, 30 - 2 * int(ttl));
      Reply reply;
      reply.probe = {IpAddress::V4(target), Ttl(uint8_t(ttl)), FlowId(0)};
      reply.responder =
          IpAddress::V4(static_cast<uint32_t>(Derive(shared, ttl)) >> 1);
      reply.rtt = Nanos(ttl * 2'000'000 + chance % 5'000'000);
      reply.icmp_type = 11;
      reply.arrival_ttl = Ttl(uint8_t(255 - ttl));
      reply.quoted_ttl = Ttl(1);
      if (ttl == length && i % 8 == 0) {
        reply.kind = ReplyKind::kDestination;
        reply.responder = reply.probe.target;
      }
      replies.push_back(reply);
    }
  }
  const auto count = static_cast<uint64_t>(replies.size());
  for (uint64_t i = count; i > 1; --i) {
    std::swap(replies[i - 1], replies[Mix(i) % i]);
  }
  for (uint64_t i = 0; i < count; ++i) {
    replies[i].received =
        Instant(std::chrono::seconds(1'760'000'000)) +
        Nanos(i * 20'000 + Mix(i) % 10'000);  // 50k replies a second.
  }
  return replies;
}

// Boundaries for the targets above.
inline std::vector<IpAddress> ScanBoundaries(uint32_t targets,
                                             uint32_t buckets) {
  std::vector<IpAddress> boundaries;
  for (uint32_t i = 1; i < buckets; ++i) {
    boundaries.push_back(
        IpAddress::V4(0x0b00'0000 + (targets / buckets * i << 8)));
  }
  return boundaries;
}

}  // namespace fathom

#endif  // FATHOM_BENCH_LINKS_WORLD_H_
