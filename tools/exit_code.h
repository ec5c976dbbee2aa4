#ifndef FATHOM_TOOLS_EXIT_CODE_H_
#define FATHOM_TOOLS_EXIT_CODE_H_

#include <cstdio>
#include <string>

#include "absl/status/status.h"

namespace fathom {

// What the command returns to the shell; scripts rely on these.
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,        // Failed at run time.
  kExitUsage = 2,         // Wrong options, or bad input.
  kExitDevice = 3,        // No permission, or no such device.
  kExitIncomplete = 4,    // Not everything was sent or heard.
  kExitInterrupted = 130  // Stopped by the user; can be resumed.
};

// Prints the error as people read it and returns the code that fits it.
inline int Report(const absl::Status& status) {
  std::fprintf(stderr, "fathom: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
      return kExitUsage;
    case absl::StatusCode::kPermissionDenied:
      return kExitDevice;
    default:
      return kExitFailed;
  }
}

}  // namespace fathom

#endif  // FATHOM_TOOLS_EXIT_CODE_H_
