#ifndef FATHOM_TOOLS_TRACE_WATCH_H_
#define FATHOM_TOOLS_TRACE_WATCH_H_

#include <string>

#include "absl/status/status.h"
#include "src/trace/trace_run.h"
#include "tools/trace_notes.h"
#include "tools/trace_text.h"

namespace fathom {

// FailedPrecondition unless the command stands in a terminal.
absl::Status CheckTerminal();

enum class WatchEnd : uint8_t { kQuit, kInterrupted };

// Draws the report of the only target of `run` again and again, on a screen of
// its own, until q is pressed or the user interrupts. A simulated network runs
// no faster than time here. REQUIRES: CheckTerminal() is OK.
absl::StatusOr<WatchEnd> WatchTrace(TraceRun& run, const TraceTitle& title,
                                    TraceNotes& notes);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_WATCH_H_
