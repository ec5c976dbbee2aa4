#ifndef FATHOM_SRC_LAB_LOAD_METER_H_
#define FATHOM_SRC_LAB_LOAD_METER_H_

#include <array>
#include <cstdint>

#include "fathom/probe.h"

namespace fathom::lab {

// How fast and how evenly probes came in, by milliseconds counted from the
// first one.
struct ProbeLoad {
  uint64_t probes = 0;
  double seconds = 0;  // From the first probe to the last.
  double probes_per_second = 0;
  double mean_per_ms = 0;
  uint64_t p99_per_ms = 0;  // 99 of 100 milliseconds had no more than this.
  uint64_t max_per_ms = 0;
  uint64_t max_per_100ms = 0;
  double idle_share = 0;  // Of the milliseconds: nothing came.
};

// Counts as they come. Its size is fixed: it knows how many milliseconds saw
// how many probes, not which. One thread.
class LoadMeter {
 public:
  // `when` may lie before that of the call before; it counts as equal then.
  void Add(Instant when, uint64_t probes = 1);

  ProbeLoad Measure() const;

 private:
  // A millisecond with more counts as one with this many, but for the maximum:
  // 8 million probes a second.
  static constexpr uint64_t kMost = 8'191;

  Instant first_;
  Instant last_;
  uint64_t probes_ = 0;
  uint64_t millisecond_ = 0;  // The one that is being counted.
  uint64_t count_ = 0;        // Probes in it.
  uint64_t max_ = 0;
  uint64_t window_count_ = 0;  // Probes in the 100 ms that it lies in.
  uint64_t window_max_ = 0;
  std::array<uint64_t, kMost + 1> milliseconds_{};  // By probes; whole ones.
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_LOAD_METER_H_
