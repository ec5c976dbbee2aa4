#ifndef FATHOM_TESTS_FUZZ_FILE_H_
#define FATHOM_TESTS_FUZZ_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>

#include "src/base/unique_fd.h"

namespace fathom {

// A file in memory with the given bytes, for readers that take a path.
class FuzzFile {
 public:
  explicit FuzzFile(std::span<const std::byte> bytes)
      : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (write(fd_.get(), bytes.data(), bytes.size()) !=
        static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
  }

  std::string path() const {
    return "/proc/self/fd/" + std::to_string(fd_.get());
  }

 private:
  const UniqueFd fd_;
};

// Whether a terminal would show `text` and obey none of it.
inline bool IsShowable(const std::string& text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) < ' ' || c == 127) return false;
  }
  return true;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_FUZZ_FILE_H_
