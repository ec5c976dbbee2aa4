#ifndef FATHOM_SRC_DATASET_TEXT_DATASET_H_
#define FATHOM_SRC_DATASET_TEXT_DATASET_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_buffer.h"

namespace fathom {

// What all text formats share: one table, in a file that appears when it is
// whole, or on standard output. Rows of other tables are passed over, and so is
// the manifest.

// One text format.
struct TextStyle {
  // Both append at most TextBuffer::kMaxRow characters.
  void (*header)(std::span<const parquet::Column> columns, TextBuffer& out);
  // `row` and `spellings` are as long as `columns`.
  void (*row)(std::span<const parquet::Column> columns,
              std::span<const Spelling> spellings,
              std::span<const uint64_t> row, TextBuffer& out);
};

// Writes options.table to options.path, or to standard output if that is "-".
absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateTextDataset(
    const FormatOptions& options, const TextStyle& style);

// Calls `put` with the name of each flag that is set; a bit without a name goes
// by its number.
template <typename Function>
void ForEachFlag(uint64_t flags, Function put) {
  constexpr const char* kNames[] = {kFlagNames[0], kFlagNames[1], kFlagNames[2],
                                    kFlagNames[3], "16",          "32",
                                    "64",          "128"};
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((flags >> bit & 1) != 0) put(kNames[bit]);
  }
}

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_TEXT_DATASET_H_
