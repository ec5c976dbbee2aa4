#ifndef FATHOM_SRC_DATASET_PARQUET_BIT_PACKING_H_
#define FATHOM_SRC_DATASET_PARQUET_BIT_PACKING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fathom::parquet {

// Integers packed to `width` bits each, the lowest bit first, as all of
// Parquet's encodings have them. Thirty-two values take 4 * width bytes, so a
// pack of thirty-two always ends on a whole byte.

inline constexpr size_t kPack = 32;

constexpr size_t PackedSize(int width) {
  return kPack / 8 * static_cast<size_t>(width);
}

// Packs values[0, kPack) into `out` and returns the end. May write up to eight
// bytes past that end. REQUIRES: no value needs more than `width` bits.
template <typename T>
std::byte* Pack(const T* values, int width, std::byte* out) {
  uint64_t held = 0;
  int bits = 0;  // Held and not yet written: less than 32 between steps.
  const auto put = [&](uint64_t value, int count) {
    held |= value << bits;
    bits += count;
    const auto word = static_cast<uint32_t>(held);
    std::memcpy(out, &word, sizeof word);
    const int whole = bits >> 5;
    out += 4 * whole;
    held >>= 32 * whole;
    bits &= 31;
  };
  if (width <= 32) {
    for (size_t i = 0; i < kPack; ++i) put(values[i], width);
  } else {
    for (size_t i = 0; i < kPack; ++i) {
      const uint64_t value = values[i];
      put(value & 0xffff'ffff, 32);
      put(value >> 32, width - 32);
    }
  }
  return out;
}

// The bits [first, first + width) of `in`. Reads eight bytes.
// REQUIRES: width <= 57.
inline uint64_t ExtractBits(const std::byte* in, size_t first, int width) {
  uint64_t word;
  std::memcpy(&word, in + first / 8, sizeof word);
  return word >> (first % 8) & ((uint64_t{1} << width) - 1);
}

// Unpacks kPack values. May read up to eight bytes past their end.
template <typename T>
void UnpackUnguarded(const std::byte* in, int width, T* values) {
  const auto step = static_cast<size_t>(width);
  if (width <= 32) {
    for (size_t i = 0; i < kPack; ++i) {
      values[i] = static_cast<T>(ExtractBits(in, i * step, width));
    }
  } else {
    for (size_t i = 0; i < kPack; ++i) {
      const uint64_t low = ExtractBits(in, i * step, 32);
      const uint64_t high = ExtractBits(in, i * step + 32, width - 32);
      values[i] = static_cast<T>(high << 32 | low);
    }
  }
}

// Unpacks kPack values from `in`, of which `available` bytes may be read.
// Bytes that are missing count as zeros. REQUIRES: width <= 64.
template <typename T>
void Unpack(const std::byte* in, size_t available, int width, T* values) {
  constexpr size_t kSlack = 8;
  const size_t size = PackedSize(width);
  if (available >= size + kSlack) {
    UnpackUnguarded(in, width, values);
    return;
  }
  std::array<std::byte, PackedSize(64) + kSlack> padded{};
  if (available != 0) {
    std::memcpy(padded.data(), in, available < size ? available : size);
  }
  UnpackUnguarded(padded.data(), width, values);
}

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_BIT_PACKING_H_
