#include "tools/status_log.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fathom {
namespace {

constexpr Nanos kInterval = std::chrono::seconds(1);

}  // namespace

StatusLog::StatusLog(std::string path, std::FILE* file)
    : path_(std::move(path)), file_(file) {}

absl::StatusOr<StatusLog> StatusLog::Open(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    const absl::Status error =
        absl::ErrnoToStatus(errno, absl::StrCat("open --status-log ", path));
    return absl::InvalidArgumentError(std::string(error.message()));
  }
  std::fputs("seconds,sent,replies,interfaces,links,dropped\n", file);
  return StatusLog(path, file);
}

void StatusLog::Write(const ScanProgress& progress) {
  const std::chrono::duration<double> seconds = progress.now - progress.start;
  std::fputs(
      absl::StrFormat("%.3f,%d,%d,%d,%d,%d\n", seconds.count(), progress.sent,
                      progress.replies, progress.interfaces, progress.links,
                      progress.dropped)
          .c_str(),
      file_.get());
}

void StatusLog::Update(const ScanProgress& progress) {
  unwritten_ = progress;
  if (progress.now < due_) return;
  due_ = progress.now + kInterval;
  Write(progress);
  unwritten_.reset();
}

absl::Status StatusLog::Finish() {
  if (unwritten_) Write(*unwritten_);
  unwritten_.reset();
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0) {
    return absl::DataLossError(
        absl::StrCat("write --status-log ", path_, ": not all of it is there"));
  }
  return absl::OkStatus();
}

}  // namespace fathom
