#ifndef FATHOM_SRC_BASE_MAPPING_H_
#define FATHOM_SRC_BASE_MAPPING_H_

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

namespace fathom {

// Memory that mmap(2) gave, shared with the kernel say; unmapped at the end.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  ~Mapping() {
    if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
  }

  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return bytes_.data(); }
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_MAPPING_H_
