#ifndef FATHOM_SRC_ENGINE_RUN_LANES_H_
#define FATHOM_SRC_ENGINE_RUN_LANES_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "src/engine/lane.h"
#include "src/engine/scan.h"

namespace fathom {

// Runs lanes from the first probe to the end of the cooldown: each on a thread
// that sends and one that hears, or all in turns on the thread that calls.

struct RunOptions {
  Nanos cooldown{};
  Nanos max_runtime{};  // Of sending; 0 for no limit.
  // When that began, if earlier passes count.
  std::optional<Instant> start{};
  std::stop_token stop{};
  // Take turns even where the backend would allow threads.
  bool in_turns = false;
  // The processors that the threads keep to, in turn: those that send and hear
  // for the first lane, for the second lane, and so on. Empty: any.
  std::vector<int> processors{};
  // Trouble outside of the lanes, such as a full disk. Asked often.
  std::function<absl::Status()> health{};
  // How to go on: at which rate, over all lanes, or not at all. Asked often.
  std::function<uint64_t()> pps{};
  std::function<bool()> losing{};
  // Told often, and at the end: whether the lanes are in their cooldown.
  std::function<void(bool)> progress{};
};

struct RunOutcome {
  ScanEnd end = ScanEnd::kDone;
  absl::Status trouble{};
  Instant sending_end{};
};

// REQUIRES: the processors are ones that this process may run on.
RunOutcome RunLanes(const Backend& backend,
                    std::span<const std::unique_ptr<Lane>> lanes,
                    const RunOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_RUN_LANES_H_
