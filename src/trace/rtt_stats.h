#ifndef FATHOM_SRC_TRACE_RTT_STATS_H_
#define FATHOM_SRC_TRACE_RTT_STATS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fathom/probe.h"

namespace fathom {

// What round-trip times come to: least, most, mean and deviation, without
// keeping them (Welford 1962; merged as Chan, Golub and LeVeque 1979 do).
class RttStats {
 public:
  void Add(Nanos rtt) {
    best_ = count_ == 0 ? rtt : std::min(best_, rtt);
    worst_ = std::max(worst_, rtt);
    last_ = rtt;
    ++count_;
    const double value = static_cast<double>(rtt.count());
    const double before = value - mean_;
    mean_ += before / static_cast<double>(count_);
    squares_ += before * (value - mean_);
  }

  // As if what `other` heard had been heard here, before what was.
  void Merge(const RttStats& other) {
    if (other.count_ == 0) return;
    if (count_ == 0) {
      *this = other;
      return;
    }
    const double n = static_cast<double>(count_);
    const double m = static_cast<double>(other.count_);
    const double apart = other.mean_ - mean_;
    mean_ += apart * m / (n + m);
    squares_ += other.squares_ + apart * apart * n * m / (n + m);
    count_ += other.count_;
    best_ = std::min(best_, other.best_);
    worst_ = std::max(worst_, other.worst_);
  }

  uint64_t count() const { return count_; }

  // All of these are 0 while count() is.
  Nanos best() const { return best_; }
  Nanos worst() const { return worst_; }
  Nanos last() const { return last_; }
  Nanos mean() const { return Nanos(std::llround(mean_)); }

  // Of the sample: over n - 1, as mtr has it. 0 for fewer than two.
  Nanos deviation() const {
    if (count_ < 2) return Nanos(0);
    return Nanos(
        std::llround(std::sqrt(squares_ / static_cast<double>(count_ - 1))));
  }

 private:
  uint64_t count_ = 0;
  Nanos best_{0};
  Nanos worst_{0};
  Nanos last_{0};
  double mean_ = 0;     // Nanoseconds.
  double squares_ = 0;  // Of differences from the mean, summed.
};

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_RTT_STATS_H_
