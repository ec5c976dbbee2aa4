#ifndef FATHOM_SRC_DATASET_OUTPUT_FILE_H_
#define FATHOM_SRC_DATASET_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"

namespace fathom {

// Files as a dataset needs them: written once, from start to end, under a name
// nobody looks for, and moved to their own name when they are whole and on
// disk. Errors name the file and the system's reason.

class OutputFile {
 public:
  // Makes the file; fails if there is one.
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  // Standard output. Who writes there wants SIGPIPE ignored, or a reader that
  // goes away kills the process before Write() can say so.
  static absl::StatusOr<OutputFile> Stdout();

  // Writes all of `bytes`, or fails: then the file is of no use any more.
  absl::Status Write(std::span<const std::byte> bytes);
  absl::Status Write(std::string_view text);

  // Puts what was written on the disk and closes the file.
  absl::Status Close();

  int64_t offset() const { return offset_; }

 private:
  OutputFile(std::string path, UniqueFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  UniqueFd fd_;
  int64_t offset_ = 0;
};

// Fails if `path` cannot become a new file or directory: it is there already,
// or is no name.
absl::Status CheckIsNew(const std::string& path);

// The `attempt`-th name for `path` while it is being written: beside it, so
// that a rename suffices, and with the process id, so that it can be seen whose
// it was, should the process be killed.
std::string TemporaryName(const std::string& path, int attempt);
inline constexpr int kTemporaryNames = 100;

// Puts the entries of the directory `path` on the disk.
absl::Status SyncDirectory(const std::string& path);

// Renames, durably, unless something called `to` has come up meanwhile.
absl::Status Publish(const std::string& from, const std::string& to);

// "path: what: the system's reason", with errno's code.
absl::Status FileError(std::string_view what, const std::string& path,
                       int error);

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_OUTPUT_FILE_H_
