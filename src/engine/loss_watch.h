#ifndef FATHOM_SRC_ENGINE_LOSS_WATCH_H_
#define FATHOM_SRC_ENGINE_LOSS_WATCH_H_

#include <cstdint>
#include <optional>

#include "fathom/probe.h"

namespace fathom {

// What a scan does when replies reach the host faster than it takes them in.
enum class OnLoss : uint8_t {
  kSlow,  // Lowers its rate until they do not, then tries a higher one again.
  kWarn,  // Says so, and goes on.
  kStop,  // Ends sending.
};

struct LossOptions {
  uint64_t pps = 1000;  // What was asked for.
  OnLoss on_loss = OnLoss::kSlow;
  double limit = 0.01;  // The share of received packets that may be lost.
};

// Watches what share of the packets that reached the host was lost on the way
// to us, and says at which rate to go on.
//
// It judges windows of a second or more in which enough came in to judge. One
// that lost too much lowers the rate to a little less than what came through,
// but by a tenth at least and seven eighths at most; one that lost less than
// half of what is allowed raises it again by a fiftieth of what was asked for.
// So the rate settles a little below where the loss begins. The beginning of a
// window after a change is not judged, since it shows the rate before.
//
// One thread.
class LossWatch {
 public:
  explicit LossWatch(const LossOptions& options)
      : options_(options), pps_(options.pps), lowest_pps_(options.pps) {}

  // Tells of the totals since the scan began: packets that were read, and that
  // were lost. REQUIRES: neither ever falls.
  void Update(Instant now, uint64_t heard, uint64_t lost);

  // The rate to go on at: between 1 and what was asked for.
  uint64_t pps() const { return pps_; }
  uint64_t lowest_pps() const { return lowest_pps_; }

  // How many windows lost too much.
  uint64_t lossy_windows() const { return lossy_windows_; }

  // Whether to end sending.
  bool must_stop() const {
    return options_.on_loss == OnLoss::kStop && lossy_windows_ > 0;
  }

 private:
  struct Mark {
    Instant time;
    uint64_t heard;
    uint64_t lost;
  };

  // Judges a window by the share that it lost; whether that changes the rate.
  bool Judge(double share);

  const LossOptions options_;
  uint64_t pps_;
  uint64_t lowest_pps_;
  uint64_t lossy_windows_ = 0;
  std::optional<Mark> begin_;       // Of the window.
  std::optional<Instant> settled_;  // When the next window may begin.
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_LOSS_WATCH_H_
