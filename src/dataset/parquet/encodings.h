#ifndef FATHOM_SRC_DATASET_PARQUET_ENCODINGS_H_
#define FATHOM_SRC_DATASET_PARQUET_ENCODINGS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace fathom::parquet {

// The three encodings of Parquet that we use, both ways, for T = uint32_t
// (Parquet's INT32) and T = uint64_t (INT64).
//
// Encoders write into room that is large enough for any values and return how
// much they took. Decoders take any bytes and fill `values` exactly, or say
// what is wrong; they accept only what the encoders write.

// Room enough for `count` values of T in any of the encodings.
template <typename T>
constexpr size_t MaxEncodedSize(size_t count) {
  // The worst is DELTA with values as wide as T: a block of 128 has 14 bytes
  // before it, and the last one is filled up.
  return 64 + (count / 128 + 1) * (16 + 128 * sizeof(T));
}

// PLAIN: as in memory.
template <typename T>
size_t EncodePlain(std::span<const T> values, std::span<std::byte> out);
template <typename T>
absl::Status DecodePlain(std::span<const std::byte> bytes, std::span<T> values);

// DELTA_BINARY_PACKED: differences, modulo 2 to the bits of T, in blocks of 128
// that are packed by 32. REQUIRES: there are values.
template <typename T>
size_t EncodeDelta(std::span<const T> values, std::span<std::byte> out);
template <typename T>
absl::Status DecodeDelta(std::span<const std::byte> bytes, std::span<T> values);

// The indices of RLE_DICTIONARY: a byte that holds `width`, then runs of equal
// indices and stretches packed to `width` bits. REQUIRES: width in 1 to 32,
// and no index needs more.
size_t EncodeIndices(std::span<const uint32_t> indices, int width,
                     std::span<std::byte> out);
// The same of so many zeros.
size_t EncodeZeroIndices(size_t count, int width, std::span<std::byte> out);
// Every index decoded is less than `limit`.
absl::Status DecodeIndices(std::span<const std::byte> bytes, uint32_t limit,
                           std::span<uint32_t> indices);

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_ENCODINGS_H_
