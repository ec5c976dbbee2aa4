#ifndef FATHOM_SRC_ENGINE_RUN_LANES_H_
#define FATHOM_SRC_ENGINE_RUN_LANES_H_

#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "src/engine/lane.h"
#include "src/engine/scan.h"

namespace fathom {

// Runs lanes from the first probe to the end of the cooldown.

struct RunOptions {
  Nanos cooldown{};
  Nanos max_runtime{};  // Of sending; 0 for no limit.
  std::stop_token stop{};
  // Trouble outside of the lanes, such as a full disk. Asked often.
  std::function<absl::Status()> health{};
  // Told often: whether the lanes are in their cooldown.
  std::function<void(bool)> progress{};
};

struct RunOutcome {
  ScanEnd end = ScanEnd::kDone;
  absl::Status trouble{};
  Instant sending_end{};
};

RunOutcome RunLanes(const Backend& backend,
                    std::span<const std::unique_ptr<Lane>> lanes,
                    const RunOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_RUN_LANES_H_
