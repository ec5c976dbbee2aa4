#ifndef FATHOM_TOOLS_STATUS_LOG_H_
#define FATHOM_TOOLS_STATUS_LOG_H_

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/engine/scan.h"

namespace fathom {

// How a scan went, as CSV: a row for every second of the scan's clock, and one
// for its end. What `interfaces` and `links` say is what the status line says:
// estimates, to within a percent or so.
class StatusLog {
 public:
  // Overwrites `path`. Errors name it.
  static absl::StatusOr<StatusLog> Open(const std::string& path);

  // Writes a row if a second has passed. Cheap otherwise.
  void Update(const ScanProgress& progress);

  // Writes the last row. The first error there was, or OK.
  absl::Status Finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  StatusLog(std::string path, std::FILE* file);
  void Write(const ScanProgress& progress);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::optional<ScanProgress> unwritten_;
  Instant due_;
};

}  // namespace fathom

#endif  // FATHOM_TOOLS_STATUS_LOG_H_
