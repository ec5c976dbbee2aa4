#include "src/dataset/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {

absl::Status FileError(std::string_view what, const std::string& path,
                       int error) {
  return absl::ErrnoToStatus(
      error,
      absl::StrCat(absl::string_view(what.data(), what.size()), " ", path));
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd.valid()) return FileError("create", path, errno);
  return OutputFile(path, std::move(fd));
}

absl::StatusOr<OutputFile> OutputFile::Stdout() {
  UniqueFd fd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return FileError("open", "standard output", errno);
  return OutputFile("standard output", std::move(fd));
}

absl::Status OutputFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path_, errno);
    }
    offset_ += written;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Write(std::string_view text) {
  return Write(std::as_bytes(std::span(text)));
}

absl::Status OutputFile::Close() {
  // Pipes and terminals cannot be synced, and need not be.
  if (fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) {
    return FileError("sync", path_, errno);
  }
  fd_.reset();
  return absl::OkStatus();
}

absl::Status CheckIsNew(const std::string& path) {
  struct stat found;
  if (path.empty() || path == "." || path == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat("create \"", path, "\": not a name for a dataset"));
  }
  // A link that leads nowhere is something, too.
  if (lstat(path.c_str(), &found) == 0) {
    return FileError("create", path, EEXIST);
  }
  if (errno != ENOENT) return FileError("create", path, errno);
  return absl::OkStatus();
}

std::string TemporaryName(const std::string& path, int attempt) {
  std::string name = absl::StrCat(path, ".writing-", getpid());
  if (attempt > 0) absl::StrAppend(&name, "-", attempt);
  return name;
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", path, errno);
  // Some file systems cannot sync directories, and say so with EINVAL.
  if (fsync(fd.get()) != 0 && errno != EINVAL) {
    return FileError("sync", path, errno);
  }
  return absl::OkStatus();
}

absl::Status Publish(const std::string& from, const std::string& to) {
  int result =
      renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // A file system without that flag: the check is all there is.
    FATHOM_RETURN_IF_ERROR(CheckIsNew(to));
    result = rename(from.c_str(), to.c_str());
  }
  if (result != 0) {
    return FileError(absl::StrCat("rename ", from, " to"), to, errno);
  }
  const std::string parent = std::filesystem::path(to).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace fathom
