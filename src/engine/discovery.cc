#include "src/engine/discovery.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>

#include "src/base/hash.h"

namespace fathom {
namespace {

uint64_t HashOf(const IpAddress& address) {
  return Mix(Mix(address.high()) ^ address.low());
}

uint64_t CellKey(uint64_t path, int ttl) {
  return Mix(path ^ static_cast<uint8_t>(ttl));
}

// Zeros, on huge pages if the kernel has some.
template <typename Cell>
Cell* MakeCells(size_t count) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t size = count * sizeof(Cell);
  void* const room = aligned_alloc(std::min(kHugePage, size), size);
  if (room == nullptr) throw std::bad_alloc();
  madvise(room, size, MADV_HUGEPAGE);
  return new (room) Cell[count]();
}

}  // namespace

Discovery::Discovery(uint64_t cells)
    : mask_(std::bit_ceil(std::clamp<uint64_t>(cells, 1024, kMaxCells)) - 1),
      cells_(MakeCells<Cell>(mask_ + 1)) {}

void Discovery::Consume(Instant /*now*/, std::span<const Reply> replies) {
  std::array<Sighting, kBatch> batch;
  while (!replies.empty()) {
    size_t count = 0;
    for (const Reply& reply : replies.first(std::min(replies.size(), kBatch))) {
      if (reply.kind == ReplyKind::kUnreachable) continue;
      const uint64_t path = HashOf(reply.probe.target) ^
                            uint64_t { reply.probe.flow.value() } << 8;
      const int ttl = reply.probe.ttl.value();
      Sighting& sighting = batch[count++];
      sighting = {.responder = HashOf(reply.responder),
                  .near_key = CellKey(path, ttl - 1),
                  .key = CellKey(path, ttl),
                  .far_key = CellKey(path, ttl + 1)};
      __builtin_prefetch(&At(sighting.near_key));
      __builtin_prefetch(&At(sighting.key), 1);
      __builtin_prefetch(&At(sighting.far_key));
    }
    for (const Sighting& sighting : std::span(batch).first(count)) {
      Hear(sighting);
    }
    replies = replies.subspan(std::min(replies.size(), kBatch));
  }
}

void Discovery::Hear(const Sighting& sighting) {
  const uint64_t responder = sighting.responder;
  interfaces_.Add(responder);
  Cell& cell = At(sighting.key);
  cell.responder.store(responder, std::memory_order_relaxed);
  cell.check.store(sighting.key ^ responder, std::memory_order_relaxed);
  const auto add_link = [this](uint64_t near, uint64_t far) {
    // A target answers at every TTL behind it: that is no link.
    if (near != far) links_.Add(Mix(Mix(near) ^ far));
  };
  if (const auto near = ResponderAt(sighting.near_key)) {
    add_link(*near, responder);
  }
  if (const auto far = ResponderAt(sighting.far_key)) {
    add_link(responder, *far);
  }
}

std::optional<uint64_t> Discovery::ResponderAt(uint64_t key) {
  const Cell& cell = At(key);
  const uint64_t responder = cell.responder.load(std::memory_order_relaxed);
  const uint64_t check = cell.check.load(std::memory_order_relaxed);
  if ((check ^ responder) != key) return std::nullopt;
  return responder;
}

}  // namespace fathom
