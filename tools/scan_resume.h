#ifndef FATHOM_TOOLS_SCAN_RESUME_H_
#define FATHOM_TOOLS_SCAN_RESUME_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "tools/scan_options.h"

namespace fathom {

// `fathom scan --resume NAME`: the options that the scan was begun with stand
// in its spool, as the manifest will have them.

// Gives `flags` the value that it had then of each option that is not given on
// the command line now. `configuration` is a JSON object.
absl::Status TakeOptionsFrom(const std::string& configuration,
                             CLI::App& command, ScanFlags& flags);

// InvalidArgument if the two differ in what a scan that goes on must keep; it
// says in what, and how it was.
absl::Status CheckSameScan(const std::string& then, const std::string& now);

}  // namespace fathom

#endif  // FATHOM_TOOLS_SCAN_RESUME_H_
