#ifndef FATHOM_SRC_FOUND_UNPACKER_H_
#define FATHOM_SRC_FOUND_UNPACKER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fathom::found {

// Unpacks what was packed by gzip or zstd, as results of scans mostly are,
// block by block. Several packed streams one after the other are one.
class Unpacker {
 public:
  static constexpr size_t kStep = 1 << 18;

  virtual ~Unpacker() = default;

  // Takes bytes off the front of `packed` and appends what they hold to `out`,
  // at most kStep bytes, so that what was packed very tight fills no memory.
  virtual absl::Status Step(std::string_view& packed, std::string& out) = 0;

  // True if there may be more in what was taken already.
  virtual bool has_more() const = 0;

  // True if all that was begun has ended.
  virtual bool is_whole() const = 0;
};

// By the first bytes of a file: null if it is not packed. InvalidArgument if it
// is packed by what is not read here (bzip2, xz).
absl::StatusOr<std::unique_ptr<Unpacker>> UnpackerFor(std::string_view head);

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_UNPACKER_H_
