#ifndef FATHOM_SRC_DATASET_TEXT_DATASET_H_
#define FATHOM_SRC_DATASET_TEXT_DATASET_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_buffer.h"

namespace fathom {

// What all text formats share: one table, in a file that appears when it is
// whole, or on standard output. Rows of other tables are passed over, and so is
// the manifest.

// One row on its way to text. Numbers and halves of addresses are those of a
// HopRow or LinkRow; strings those of its columns of strings.
struct TextRow {
  std::span<const parquet::Column> columns;
  std::span<const Spelling> spellings;
  std::span<const uint64_t> cells;
  std::span<const size_t> upper;  // The cell of each column's upper half.
  std::span<const std::string> strings;

  IpAddress address(size_t column) const {
    return IpAddress::V6(cells[upper[column]], cells[column]);
  }
};

// One text format.
struct TextStyle {
  // Both append at most TextBuffer::kMaxRow characters.
  void (*header)(std::span<const parquet::Column> columns, TextBuffer& out);
  void (*row)(const TextRow& row, TextBuffer& out);
};

// Writes options.table to options.path, or to standard output if that is "-".
absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateTextDataset(
    const FormatOptions& options, const TextStyle& style);

// Calls `put` with the name of each bit that is set; a bit without a name goes
// by its number.
template <typename Function>
void ForEachBit(uint64_t bits, std::span<const char* const> names,
                Function put) {
  constexpr const char* kNumbers[] = {"1",  "2",  "4",  "8",
                                      "16", "32", "64", "128"};
  for (size_t bit = 0; bit < std::size(kNumbers); ++bit) {
    if ((bits >> bit & 1) == 0) continue;
    put(bit < names.size() ? names[bit] : kNumbers[bit]);
  }
}

// The names of the bits in columns so spelled.
inline std::span<const char* const> BitNames(Spelling spelling) {
  if (spelling == Spelling::kChanges) return kChangeNames;
  return kFlagNames;
}

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_TEXT_DATASET_H_
