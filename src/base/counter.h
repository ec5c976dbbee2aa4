#ifndef FATHOM_SRC_BASE_COUNTER_H_
#define FATHOM_SRC_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace fathom {

// A number with one writing thread that any thread may read. Since nobody else
// writes, adding costs no locked instruction.
class Counter {
 public:
  void Add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_COUNTER_H_
