#include "backends/xdp/rx.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "src/base/status_macros.h"

namespace fathom {
namespace {

// At most so many packets of a ring are lent at once.
constexpr size_t kBatch = 1024;

// Naps double from the one to the other, and begin anew where one brought many
// packets: a ring of 8 MiB holds what comes in the longest at ninety million a
// second, and a thousand naps a second cost nothing.
constexpr Nanos kShortestNap = std::chrono::microseconds(20);
constexpr Nanos kLongestNap = std::chrono::milliseconds(1);
constexpr size_t kMany = 256;

constexpr Nanos kCheckEvery = std::chrono::milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<XdpRx>> XdpRx::Open(const Options& options) {
  FATHOM_ASSIGN_OR_RETURN(auto watch, LinkWatch::Open(options.interface));
  return std::unique_ptr<XdpRx>(new XdpRx(options, std::move(watch)));
}

XdpRx::XdpRx(const Options& options, LinkWatch watch)
    : interface_(options.interface),
      hooks_(*options.hooks),
      clock_(*options.clock),
      ring_mask_(options.hooks->ring_bytes() - 1),
      watch_(std::move(watch)),
      nap_(kShortestNap) {
  for (size_t i = options.lane; i < hooks_.rings(); i += options.lanes) {
    readers_.push_back({.ring = &hooks_.ring(i)});
  }
}

absl::StatusOr<std::span<const RxFrame>> XdpRx::Receive(Nanos patience) {
  for (Reader& reader : readers_) {
    if (reader.head == reader.next) continue;
    reader.head = reader.next;
    std::atomic_ref(reader.ring->head)
        .store(reader.head, std::memory_order_release);
  }
  lent_.clear();
  if (!lost_.ok()) return lost_;
  const Instant deadline = clock_.Now() + patience;
  while (true) {
    // What came in before the device went is lent before the news are told.
    const bool going = !going_.ok();
    Collect();
    if (!lent_.empty()) {
      if (lent_.size() >= kMany) nap_ = kShortestNap;
      return lent_;
    }
    if (going) {
      lost_ = going_;
      return lost_;
    }
    const Nanos left = deadline - clock_.Now();
    going_ = Wait(std::min(nap_, left));
    if (going_.ok() && left <= Nanos::zero()) return lent_;
    nap_ = std::min(2 * nap_, kLongestNap);
  }
}

uint64_t XdpRx::dropped() const {
  uint64_t sum = 0;
  for (const Reader& reader : readers_) {
    sum +=
        std::atomic_ref(reader.ring->dropped).load(std::memory_order_relaxed);
  }
  return sum;
}

const XdpRecord& XdpRx::RecordAt(const Reader& reader,
                                 uint64_t position) const {
  return *reinterpret_cast<const XdpRecord*>(reader.ring->records +
                                             (position & ring_mask_));
}

Instant XdpRx::ArrivalOf(const XdpRecord& record) const {
  return clock_.FromMonotonic(Nanos(static_cast<int64_t>(record.arrival)));
}

// Packets that came in earlier may all be lent now, in order: those that stand
// in one ring while an older one may yet turn up in another came in later.
Instant XdpRx::Horizon() {
  Instant horizon = clock_.Now();
  for (Reader& reader : readers_) {
    reader.tail =
        std::atomic_ref(reader.ring->tail).load(std::memory_order_acquire);
  }
  if (readers_.size() == 1) return horizon;
  for (const Reader& reader : readers_) {
    uint64_t position = reader.next;
    for (size_t i = 0; i < kBatch && position != reader.tail; ++i) {
      position += RecordAt(reader, position).size;
    }
    if (position == reader.tail) continue;
    horizon = std::min(horizon, ArrivalOf(RecordAt(reader, position)));
  }
  return horizon;
}

void XdpRx::Collect() {
  const Instant horizon = Horizon();
  for (Reader& reader : readers_) {
    const auto middle = static_cast<std::ptrdiff_t>(lent_.size());
    Take(reader, horizon);
    const auto earlier = [](const RxFrame& a, const RxFrame& b) {
      return a.arrival < b.arrival;
    };
    const auto from = lent_.begin() + middle;
    if (from == lent_.begin() || from == lent_.end() ||
        !earlier(*from, from[-1])) {
      continue;
    }
    std::inplace_merge(lent_.begin(), from, lent_.end(), earlier);
  }
}

void XdpRx::Take(Reader& reader, Instant before) {
  for (size_t i = 0; i < kBatch && reader.next != reader.tail; ++i) {
    const XdpRecord& record = RecordAt(reader, reader.next);
    const Instant arrival = ArrivalOf(record);
    if (arrival >= before) break;
    const auto* const packet = reinterpret_cast<const std::byte*>(&record + 1);
    lent_.push_back({.bytes = {packet, record.length}, .arrival = arrival});
    reader.next += record.size;
  }
}

absl::Status XdpRx::Wait(Nanos patience) {
  FATHOM_RETURN_IF_ERROR(watch_.Wait(patience));
  const Instant now = clock_.Now();
  if (now - checked_ < kCheckEvery) return absl::OkStatus();
  checked_ = now;
  return hooks_.CheckAttached();
}

}  // namespace fathom
