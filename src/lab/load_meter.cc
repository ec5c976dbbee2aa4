#include "src/lab/load_meter.h"

#include <algorithm>

namespace fathom::lab {
namespace {

constexpr uint64_t kWindow = 100;  // Milliseconds.

}  // namespace

void LoadMeter::Add(Instant when, uint64_t probes) {
  if (probes == 0) return;
  if (probes_ == 0) first_ = last_ = when;
  last_ = std::max(last_, when);
  probes_ += probes;
  const auto millisecond =
      static_cast<uint64_t>((last_ - first_) / std::chrono::milliseconds(1));
  if (millisecond != millisecond_) {
    ++milliseconds_[std::min(count_, kMost)];
    milliseconds_[0] += millisecond - millisecond_ - 1;
    if (millisecond / kWindow != millisecond_ / kWindow) window_count_ = 0;
    millisecond_ = millisecond;
    count_ = 0;
  }
  count_ += probes;
  max_ = std::max(max_, count_);
  window_count_ += probes;
  window_max_ = std::max(window_max_, window_count_);
}

ProbeLoad LoadMeter::Measure() const {
  if (probes_ == 0) return {};
  auto counts = milliseconds_;
  ++counts[std::min(count_, kMost)];
  const uint64_t all = millisecond_ + 1;
  uint64_t p99 = 0;
  for (uint64_t below = counts[0]; below * 100 < all * 99;) {
    below += counts[++p99];
  }
  const double seconds = std::chrono::duration<double>(last_ - first_).count();
  const auto probes = static_cast<double>(probes_);
  return {
      .probes = probes_,
      .seconds = seconds,
      .probes_per_second = seconds > 0 ? (probes - 1) / seconds : 0,
      .mean_per_ms = probes / static_cast<double>(all),
      .p99_per_ms = p99,
      .max_per_ms = max_,
      .max_per_100ms = window_max_,
      .idle_share = static_cast<double>(counts[0]) / static_cast<double>(all)};
}

}  // namespace fathom::lab
