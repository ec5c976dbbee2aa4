#include "src/links/spool_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {

namespace {

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags) {
  constexpr mode_t kMode = 0644;
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, kMode));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open the spool ", path));
  }
  return fd;
}

absl::StatusOr<OpenSpool> WithSize(UniqueFd fd, const std::string& path) {
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("look at ", path));
  }
  return OpenSpool{std::move(fd), static_cast<uint64_t>(info.st_size)};
}

}  // namespace

absl::StatusOr<OpenSpool> OpenLocked(const std::string& path, int flags) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, flags));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is still being written by a running scan"));
    }
    return absl::ErrnoToStatus(errno, absl::StrCat("lock the spool ", path));
  }
  return WithSize(std::move(fd), path);
}

absl::StatusOr<OpenSpool> OpenUnlocked(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  return WithSize(std::move(fd), path);
}

absl::StatusOr<SpoolFile> SpoolFile::Create(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(OpenSpool spool,
                          OpenLocked(path, O_WRONLY | O_CREAT));
  if (spool.size > 0) {
    return absl::AlreadyExistsError(absl::StrCat(
        path, " holds the replies of an earlier scan: recover or remove it"));
  }
  return SpoolFile(std::move(spool.fd), path);
}

absl::StatusOr<SpoolFile> SpoolFile::Reopen(const std::string& path,
                                            uint64_t keep) {
  FATHOM_ASSIGN_OR_RETURN(OpenSpool spool, OpenLocked(path, O_WRONLY));
  SpoolFile file(std::move(spool.fd), path);
  file.size_ = keep;
  if ((spool.size > keep &&
       ftruncate(file.fd_.get(), static_cast<off_t>(keep)) != 0) ||
      lseek(file.fd_.get(), static_cast<off_t>(keep), SEEK_SET) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("go on in ", path));
  }
  return file;
}

absl::Status SpoolFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("write to the spool ", path_));
    }
    size_ += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::Sync() {
  if (fdatasync(fd_.get()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("sync the spool ", path_));
  }
  return absl::OkStatus();
}

bool SpoolFile::IsThere() const {
  struct stat info = {};
  return fstat(fd_.get(), &info) != 0 || info.st_nlink > 0;
}

void SpoolFile::Clear() {
  // Where this fails (a device), there was nothing to empty.
  if (ftruncate(fd_.get(), 0) == 0) size_ = 0;
}

}  // namespace fathom
