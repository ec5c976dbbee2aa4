#ifndef FATHOM_SRC_BASE_BYTES_H_
#define FATHOM_SRC_BASE_BYTES_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace fathom {

// Integers as they stand in packets and files. Everything else in the program
// is in host order; the conversion happens where the bytes are touched.

// An unsigned integer in network byte order, without alignment, for the fields
// of wire headers.
template <typename T>
class BigEndian {
  static_assert(std::is_unsigned_v<T> && sizeof(T) > 1);

 public:
  constexpr BigEndian() = default;
  // Implicit both ways: a header field reads like the number it holds.
  constexpr BigEndian(T value)  // NOLINT(google-explicit-constructor)
      : bytes_(std::bit_cast<Bytes>(Swap(value))) {}
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    return Swap(std::bit_cast<T>(bytes_));
  }

 private:
  using Bytes = std::array<uint8_t, sizeof(T)>;

  // A loop over the bytes would say the same, but g++ 12 does not see through
  // it.
  static constexpr T Swap(T value) {
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }

  Bytes bytes_{};
};

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;
using Be64 = BigEndian<uint64_t>;

static_assert(
    std::endian::native == std::endian::little,
    "files are little-endian and are written as they stand in memory");

// Reads a trivially copyable value from the start of `bytes`.
// REQUIRES: bytes.size() >= sizeof(T).
template <typename T>
T Load(std::span<const std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Writes a trivially copyable value to the start of `bytes`.
// REQUIRES: bytes.size() >= sizeof(T).
template <typename T>
void Store(const T& value, std::span<std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes.data(), &value, sizeof value);
}

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_BYTES_H_
