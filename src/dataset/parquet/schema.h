#ifndef FATHOM_SRC_DATASET_PARQUET_SCHEMA_H_
#define FATHOM_SRC_DATASET_PARQUET_SCHEMA_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "src/dataset/parquet/strings.h"

namespace fathom::parquet {

// What a table is made of: numbers, IPv6 addresses and strings, none ever null,
// on which every reader of Parquet agrees.

enum class ColumnType : uint8_t {
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kDouble,
  kAddress,  // 16 bytes: an IPv6 address, most significant octet first.
  kString,   // UTF-8.
  kBinary,   // Any bytes.
};

// Of an integer.
constexpr int BitWidth(ColumnType type) { return 8 << static_cast<int>(type); }

constexpr bool IsInteger(ColumnType type) {
  return type <= ColumnType::kUint64;
}

// Parquet has no integers below 32 bits; the rest is told by annotation.
constexpr bool IsWide(ColumnType type) { return type == ColumnType::kUint64; }

// REQUIRES: IsInteger(type).
constexpr uint64_t MaxValue(ColumnType type) {
  return std::numeric_limits<uint64_t>::max() >> (64 - BitWidth(type));
}

// How a column is laid out in its page, before zstd. It changes the size of a
// file, never its meaning.
enum class Layout : uint8_t {
  kPlain,       // As in memory: for what repeats in long, aligned patterns.
  kDelta,       // Differences, packed by 32: for what is nearly sorted.
  kDictionary,  // Numbers of sorted distinct values, packed as tight as they
                // go. Falls back to kDelta if there are too many.
  kDictionaryBytes,  // The same in whole bytes: zstd can then see repeats.
};
// Doubles are always kPlain, strings always kDictionary; where addresses and
// strings have too many distinct values, kPlain takes the place of kDelta.

struct Column {
  const char* name;
  ColumnType type;
  Layout layout = Layout::kPlain;
};

struct Schema {
  std::span<const Column> columns;
  size_t sorted = 0;  // Rows are in ascending order of the first `sorted`.
};

// An IPv6 address as it stands in the file.
using AddressBytes = std::array<uint8_t, 16>;

// The values of one column, in memory as wide as in the file.
using Values =
    std::variant<std::vector<uint32_t>, std::vector<uint64_t>,
                 std::vector<double>, std::vector<AddressBytes>, Strings>;

inline Values MakeValues(ColumnType type) {
  switch (type) {
    case ColumnType::kUint64:
      return std::vector<uint64_t>();
    case ColumnType::kDouble:
      return std::vector<double>();
    case ColumnType::kAddress:
      return std::vector<AddressBytes>();
    case ColumnType::kString:
    case ColumnType::kBinary:
      return Strings();
    default:
      return std::vector<uint32_t>();
  }
}

// The least and the greatest of values, of which there are some. Unlike
// std::minmax_element, which yields where they stand, this is vectorised.
template <typename T>
std::pair<T, T> Range(std::span<const T> values) {
  T min = values[0];
  T max = values[0];
  for (const T value : values) {
    min = value < min ? value : min;
    max = value > max ? value : max;
  }
  return {min, max};
}

// A row group is what is in memory at a time, in the writer and the reader:
// small enough to forget, large enough for zstd and for little metadata.
inline constexpr size_t kRowGroupRows = 262'144;

// A larger dictionary costs more than it saves on kRowGroupRows values, and
// its lookups leave the cache.
inline constexpr size_t kMaxDictionary = 65'536;

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_SCHEMA_H_
