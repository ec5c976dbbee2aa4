#ifndef FATHOM_TOOLS_STATUS_LINE_H_
#define FATHOM_TOOLS_STATUS_LINE_H_

#include <chrono>
#include <optional>
#include <string>

#include "src/engine/scan.h"

namespace fathom {

// The line by which a user sees a scan run, in the words that ZMap's users
// know: time, percent, time left, rates now and on average, drops, hit rate.
//
// On a terminal it is redrawn every second; elsewhere it is one line every ten
// seconds. These seconds are the user's; those in the line are the scan's.
class StatusLine {
 public:
  explicit StatusLine(bool quiet);

  // Prints if it is time to. Cheap otherwise.
  void Update(const ScanProgress& progress);

  // Ends a line that was being redrawn.
  void Finish();

 private:
  using WallClock = std::chrono::steady_clock;

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  WallClock::time_point last_print_;
  std::optional<ScanProgress> last_;
};

// The line for `now`, given what it said last, or nothing at first.
std::string FormatStatus(const ScanProgress& now,
                         const std::optional<ScanProgress>& last);

}  // namespace fathom

#endif  // FATHOM_TOOLS_STATUS_LINE_H_
