#ifndef FATHOM_SRC_LOAD_TABLE_LOAD_H_
#define FATHOM_SRC_LOAD_TABLE_LOAD_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "src/base/status_macros.h"
#include "src/dataset/native_block.h"

namespace fathom {

// Rows of one table on their way to a server, as blocks that each are there
// wholly or not at all.
//
// Rows that stand there already go through the same blocks and are left out at
// the end: where the blocks of a dataset end is always the same, so a load can
// only have ended at such a place.
class TableLoad {
 public:
  using Insert = std::function<absl::Status(Table, std::string_view block)>;

  static constexpr size_t kBlockRows = 262'144;
  // A block ends at so many bytes of strings, too.
  static constexpr size_t kBlockStrings = 32 << 20;

  TableLoad(Table table, NativeBlock block, Insert insert)
      : table_(table), block_(std::move(block)), insert_(std::move(insert)) {}

  // `rows` of the table stand there. Before the first Add().
  void SetFound(uint64_t rows) { found_ = rows; }

  template <typename Record>
  absl::Status Add(std::span<const Record> records) {
    while (!records.empty()) {
      const size_t count =
          std::min({records.size(), kStep, kBlockRows - block_.rows()});
      block_.Add(records.first(count));
      records = records.subspan(count);
      if (block_.rows() == kBlockRows ||
          block_.string_bytes() >= kBlockStrings) {
        FATHOM_RETURN_IF_ERROR(Flush());
      }
    }
    return absl::OkStatus();
  }

  // Sends what is left. Fails if more stands there than was added.
  absl::Status Finish() {
    if (block_.rows() != 0) FATHOM_RETURN_IF_ERROR(Flush());
    return passed_ < found_ ? NotOurs() : absl::OkStatus();
  }

  // Rows that stand there, as far as is known.
  uint64_t rows() const { return std::max(passed_, found_); }

 private:
  // So many rows at a time go into a block, at most 1.5 KB of strings each.
  static constexpr size_t kStep = 256;

  absl::Status Flush() {
    const uint64_t count = block_.rows();
    const std::string_view bytes = block_.Take();
    if (passed_ < found_ && found_ < passed_ + count) return NotOurs();
    if (passed_ >= found_) FATHOM_RETURN_IF_ERROR(insert_(table_, bytes));
    passed_ += count;
    return absl::OkStatus();
  }

  absl::Status NotOurs() const {
    return absl::FailedPreconditionError(
        absl::StrCat("the table of ", kTableNames[static_cast<size_t>(table_)],
                     " holds ", found_,
                     " rows of this dataset, and no load of it can have ended "
                     "there; --again removes them and loads it anew"));
  }

  const Table table_;
  NativeBlock block_;
  const Insert insert_;
  uint64_t found_ = 0;
  uint64_t passed_ = 0;  // Rows whose blocks are there.
};

}  // namespace fathom

#endif  // FATHOM_SRC_LOAD_TABLE_LOAD_H_
