#include "src/engine/loss_watch.h"

#include <algorithm>

namespace fathom {
namespace {

constexpr Nanos kWindow = std::chrono::seconds(1);

// Fewer packets than this say little about a share.
constexpr uint64_t kEnough = 100;

// How long replies to probes of the old rate keep coming in.
constexpr Nanos kSettling = std::chrono::milliseconds(500);

}  // namespace

void LossWatch::Update(Instant now, uint64_t heard, uint64_t lost) {
  if (settled_ && now < *settled_) return;
  if (!begin_) {
    begin_ = {now, heard, lost};
    return;
  }
  const uint64_t came = heard - begin_->heard + lost - begin_->lost;
  if (now - begin_->time < kWindow || came < kEnough) return;
  const bool changed = Judge(static_cast<double>(lost - begin_->lost) /
                             static_cast<double>(came));
  begin_.reset();
  if (changed) {
    settled_ = now + kSettling;
  } else {
    begin_ = {now, heard, lost};
  }
}

bool LossWatch::Judge(double share) {
  const uint64_t before = pps_;
  if (share > options_.limit) {
    ++lossy_windows_;
    if (options_.on_loss == OnLoss::kSlow) {
      const double kept = std::clamp(0.95 * (1 - share), 0.125, 0.9);
      pps_ = std::max<uint64_t>(
          1, static_cast<uint64_t>(kept * static_cast<double>(pps_)));
    }
  } else if (share <= options_.limit / 2) {
    pps_ = std::min(options_.pps, pps_ + options_.pps / 50 + 1);
  }
  lowest_pps_ = std::min(lowest_pps_, pps_);
  return pps_ != before;
}

}  // namespace fathom
