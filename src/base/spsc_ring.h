#ifndef FATHOM_SRC_BASE_SPSC_RING_H_
#define FATHOM_SRC_BASE_SPSC_RING_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace fathom {

// A bounded queue between two threads: one pushes, one pops, nobody waits.
//
// Indices only grow; a slot is index modulo capacity. Each index has one
// writer, and each side keeps a copy of the other's, so that the shared cache
// line is read only when the ring looks full or empty.
template <typename T>
class SpscRing {  // NOLINT(clang-analyzer-optin.performance.Padding): meant.
 public:
  // Holds at least `capacity` values, rounded up to a power of two.
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1),
        slots_(std::make_unique<T[]>(mask_ + 1)) {}

  // False if the ring is full; `value` is then left as it was. Producer only.
  bool Push(T&& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    slots_[tail & mask_] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Moves the oldest values into `out`; returns how many. Consumer only.
  size_t Pop(std::span<T> out) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (tail_seen_ - head < out.size()) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
    }
    const size_t available = tail_seen_ - head;
    const size_t count = available < out.size() ? available : out.size();
    for (size_t i = 0; i < count; ++i) {
      out[i] = std::move(slots_[(head + i) & mask_]);
    }
    head_.store(head + count, std::memory_order_release);
    return count;
  }

 private:
  static constexpr size_t kCacheLine = 64;

  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  // Written by the producer.
  alignas(kCacheLine) std::atomic<size_t> tail_{0};
  size_t head_seen_ = 0;
  // Written by the consumer.
  alignas(kCacheLine) std::atomic<size_t> head_{0};
  size_t tail_seen_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_SPSC_RING_H_
