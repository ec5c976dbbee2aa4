#include "src/engine/discovery.h"

#include <algorithm>
#include <bit>

#include "src/base/hash.h"

namespace fathom {
namespace {

uint64_t HashOf(const IpAddress& address) {
  return Mix(Mix(address.high()) ^ address.low());
}

uint64_t CellKey(const Probe& probe, int ttl) {
  return Mix(HashOf(probe.target) ^
             (uint64_t{probe.flow.value()} << 8 | static_cast<uint8_t>(ttl)));
}

}  // namespace

Discovery::Discovery(uint64_t cells)
    : cells_(std::bit_ceil(std::clamp<uint64_t>(cells, 1024, kMaxCells))) {}

void Discovery::Consume(Instant /*now*/, std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    if (reply.kind == ReplyKind::kHop ||
        reply.kind == ReplyKind::kDestination) {
      Hear(reply);
    }
  }
}

void Discovery::Hear(const Reply& reply) {
  const uint64_t responder = HashOf(reply.responder);
  if (interfaces_.size() < kMaxSet && interfaces_.insert(responder).second) {
    interface_count_.Add(1);
  }
  const int ttl = reply.probe.ttl.value();
  const uint64_t key = CellKey(reply.probe, ttl);
  cells_[key & (cells_.size() - 1)] = {key, responder};
  if (const auto near = At(CellKey(reply.probe, ttl - 1))) {
    AddLink(*near, responder);
  }
  if (const auto far = At(CellKey(reply.probe, ttl + 1))) {
    AddLink(responder, *far);
  }
}

void Discovery::AddLink(uint64_t near, uint64_t far) {
  // A target answers at every TTL behind it: that is no link.
  if (near == far || links_.size() >= kMaxSet) return;
  if (links_.insert(Mix(near) ^ far).second) link_count_.Add(1);
}

std::optional<uint64_t> Discovery::At(uint64_t key) const {
  const Cell& cell = cells_[key & (cells_.size() - 1)];
  if (cell.key != key) return std::nullopt;
  return cell.responder;
}

}  // namespace fathom
