#include "src/dataset/published_file.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {

absl::StatusOr<PublishedFile> PublishedFile::Create(const std::string& path) {
  if (path == "-") {
    FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Stdout());
    return PublishedFile(std::move(file), path, "");
  }
  FATHOM_RETURN_IF_ERROR(CheckIsNew(path));
  absl::Status status;
  for (int attempt = 0; attempt < kTemporaryNames; ++attempt) {
    std::string temporary = TemporaryName(path, attempt);
    auto file = OutputFile::Create(temporary);
    if (file.ok()) {
      return PublishedFile(*std::move(file), path, std::move(temporary));
    }
    status = file.status();
    if (!absl::IsAlreadyExists(status)) break;
  }
  return status;
}

PublishedFile::~PublishedFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void PublishedFile::Flush() {
  if (state_.ok()) state_ = file_.Write(gathered_);
  gathered_.clear();
}

absl::Status PublishedFile::Publish() {
  Flush();
  FATHOM_RETURN_IF_ERROR(state_);
  state_ = file_.Close();
  if (state_.ok() && !temporary_.empty()) {
    state_ = fathom::Publish(temporary_, path_);
  }
  FATHOM_RETURN_IF_ERROR(state_);
  temporary_.clear();
  state_ = absl::FailedPreconditionError(
      absl::StrCat("write ", path_, ": it is finished"));
  return absl::OkStatus();
}

}  // namespace fathom
