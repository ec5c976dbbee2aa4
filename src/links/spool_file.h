#ifndef FATHOM_SRC_LINKS_SPOOL_FILE_H_
#define FATHOM_SRC_LINKS_SPOOL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"

namespace fathom {

// A spool that is open, and how long it was then.
struct OpenSpool {
  UniqueFd fd;
  uint64_t size = 0;  // In bytes.
};

// Opens the spool `path` with `flags`, of open(2), and locks it (flock) for
// this process alone. FailedPrecondition while a running scan, or another
// reader, has it.
absl::StatusOr<OpenSpool> OpenLocked(const std::string& path, int flags);

// Opens it for reading and leaves the lock to whoever has it.
absl::StatusOr<OpenSpool> OpenUnlocked(const std::string& path);

// The file under a spool, open for appending and locked (flock) as long as this
// object lives, so that nobody takes a running scan's spool for a dead one's.
// The kernel drops the lock when the process dies, however it dies.
class SpoolFile {
 public:
  // Makes the file `path`. An empty file is taken over; one that holds anything
  // is somebody's scan and is refused (AlreadyExists), as is a locked one
  // (FailedPrecondition).
  static absl::StatusOr<SpoolFile> Create(const std::string& path);

  // Opens the file `path`, whose first `keep` bytes are good, to go on behind
  // these; the rest is cut off.
  static absl::StatusOr<SpoolFile> Reopen(const std::string& path,
                                          uint64_t keep);

  // Writes all of `bytes` at the end. After an error size() tells how far it
  // came.
  absl::Status Append(std::span<const std::byte> bytes);

  // Waits until all that was written is on the disk.
  absl::Status Sync();

  // Whether the file still has a name; without, what is written is lost when
  // it is closed.
  bool IsThere() const;

  // Empties the file, so that what could not be begun leaves nothing behind.
  void Clear();

  // Closes the file, which unlocks it.
  void Close() { fd_.reset(); }

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  SpoolFile(UniqueFd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
  uint64_t size_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SPOOL_FILE_H_
