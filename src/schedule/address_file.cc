#include "src/schedule/address_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"

namespace fathom {
namespace {

constexpr size_t kBlock = size_t{1} << 20;

absl::StatusOr<UniqueFd> OpenForReading(const std::string& path) {
  // A copy, since standard input is not ours to close.
  UniqueFd fd(path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                          : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  struct stat status;
  if (fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("open ", path, ": it is a directory; give a file"));
  }
  return fd;
}

// Reads at most `size` bytes; 0 at the end.
absl::StatusOr<size_t> ReadSome(const UniqueFd& fd, char* buffer, size_t size,
                                const std::string& name) {
  ssize_t got;
  do {
    got = read(fd.get(), buffer, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", name));
  return static_cast<size_t>(got);
}

struct FreeXxh3 {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

absl::StatusOr<AddressFileSummary> ReadAddressFile(
    const std::string& path,
    const std::function<absl::Status(std::span<const AddressBlock>)>& take) {
  FATHOM_ASSIGN_OR_RETURN(const UniqueFd fd, OpenForReading(path));
  const std::string name = path == "-" ? "standard input" : path;
  const std::unique_ptr<XXH3_state_t, FreeXxh3> hash(XXH3_createState());
  XXH3_64bits_reset(hash.get());

  AddressFileSummary summary;
  summary.path = path;
  AddressListParser parser(name);
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBlock);
  // At most kBlock / 3: the shortest line that names an address is "::".
  std::vector<AddressBlock> blocks;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const size_t got,
                            ReadSome(fd, buffer.get(), kBlock, name));
    if (got == 0) break;
    summary.bytes += got;
    XXH3_64bits_update(hash.get(), buffer.get(), got);
    FATHOM_RETURN_IF_ERROR(parser.Feed({buffer.get(), got}, blocks));
    FATHOM_RETURN_IF_ERROR(take(blocks));
    blocks.clear();
  }
  FATHOM_RETURN_IF_ERROR(parser.Finish(blocks));
  FATHOM_RETURN_IF_ERROR(take(blocks));
  summary.counts = parser.counts();
  summary.xxh3 = XXH3_64bits_digest(hash.get());
  return summary;
}

}  // namespace fathom
