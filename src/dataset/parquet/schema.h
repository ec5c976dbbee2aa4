#ifndef FATHOM_SRC_DATASET_PARQUET_SCHEMA_H_
#define FATHOM_SRC_DATASET_PARQUET_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace fathom::parquet {

// What a table is made of. Only unsigned integers without nulls: all that a
// dataset holds is one, and every reader of Parquet agrees on them.

enum class ColumnType : uint8_t { kUint8, kUint16, kUint32, kUint64 };

constexpr int BitWidth(ColumnType type) { return 8 << static_cast<int>(type); }

// Parquet has no integers below 32 bits; the rest is told by annotation.
constexpr bool IsWide(ColumnType type) { return type == ColumnType::kUint64; }

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

struct Column {
  const char* name;
  ColumnType type;
  Layout layout = Layout::kPlain;
};

struct Schema {
  std::span<const Column> columns;
  size_t sorted = 0;  // Rows are in ascending order of the first `sorted`.
};

// The values of one column, in memory as wide as in the file.
using Values = std::variant<std::vector<uint32_t>, std::vector<uint64_t>>;

inline Values MakeValues(ColumnType type) {
  return IsWide(type) ? Values(std::vector<uint64_t>())
                      : Values(std::vector<uint32_t>());
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
