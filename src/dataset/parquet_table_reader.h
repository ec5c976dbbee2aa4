#ifndef FATHOM_SRC_DATASET_PARQUET_TABLE_READER_H_
#define FATHOM_SRC_DATASET_PARQUET_TABLE_READER_H_

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/reader.h"
#include "src/dataset/tables.h"

namespace fathom {

// Records from a Parquet file: columns to rows, batch by batch, checking that
// they mean something and are in order.
//
// Record is Reply with HopRow, or Link with LinkRow. A table holds the columns
// of one row group, as ParquetTableWriter does.
template <typename Record, typename Row>
class ParquetTableReader {
 public:
  // REQUIRES: `reader` has the schema of `table`.
  ParquetTableReader(std::unique_ptr<parquet::Reader> reader, std::string path,
                     Table table, bool several_scans = false)
      : reader_(std::move(reader)),
        path_(std::move(path)),
        repeats_(table == Table::kHops),
        spellings_(SpellingsOf(table, several_scans)) {
    for (size_t c = 0; c < spellings_.size(); ++c) {
      const bool is_string = spellings_[c] == Spelling::kText ||
                             spellings_[c] == Spelling::kExtensions;
      if (is_string) string_columns_.push_back(c);
    }
  }

  const parquet::Reader& file() const { return *reader_; }

  // The next rows, valid until the next call; none at the end.
  absl::StatusOr<std::span<const Record>> Next() {
    if (next_row_ == group_rows_) {
      if (next_group_ == reader_->row_groups()) {
        return std::span<const Record>();
      }
      ++next_group_;
      FATHOM_RETURN_IF_ERROR(reader_->ReadRowGroup(next_group_ - 1, &columns_));
      group_rows_ = static_cast<size_t>(
          reader_->metadata().row_groups[next_group_ - 1].rows);
      next_row_ = 0;
    }
    const size_t count = std::min(kBatch, group_rows_ - next_row_);
    FATHOM_RETURN_IF_ERROR(Turn(count));
    next_row_ += count;
    return std::span<const Record>(records_).first(count);
  }

  // The row that the record `i` of the last Next() was made of.
  const Row& row(size_t i) const { return rows_[i]; }

  // After an error: goes on behind the row group in which it was, of which
  // this is the number. What Next() gave of it before stays true.
  size_t SkipRowGroup() {
    next_row_ = group_rows_;
    return next_group_ - 1;
  }

 private:
  static constexpr size_t kBatch = 256;

  // Makes records_ of the rows [next_row_, next_row_ + count).
  absl::Status Turn(size_t count) {
    for (size_t c = 0; c < columns_.size(); ++c) {
      std::visit([&](const auto& values) { Take(count, c, values); },
                 columns_[c]);
    }
    for (size_t i = 0; i < count; ++i) {
      absl::Status status = FromRow(rows_[i], &records_[i]);
      if (status.ok()) status = TakeStrings(next_row_ + i, &records_[i]);
      if (status.ok() && !Follows(rows_[i])) {
        status = absl::DataLossError("not in order");
      }
      if (!status.ok()) {
        return absl::Status(
            status.code(),
            absl::StrCat("read ", path_, ": row group ", next_group_ - 1,
                         ", row ", next_row_ + i, ": ", status.message()));
      }
      last_ = rows_[i];
      any_ = true;
    }
    return absl::OkStatus();
  }

  template <typename T>
  void Take(size_t count, size_t c, const std::vector<T>& values) {
    const T* const in = values.data() + next_row_;
    for (size_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, parquet::AddressBytes>) {
        const auto bytes = std::as_bytes(std::span(in[i]));
        rows_[i][UpperCell(rows_[i], c)] = Load<Be64>(bytes);
        rows_[i][c] = Load<Be64>(bytes.subspan(8));
      } else if (spellings_[c] == Spelling::kAddress) {
        const IpAddress address = IpAddress::V4(static_cast<uint32_t>(in[i]));
        rows_[i][UpperCell(rows_[i], c)] = address.high();
        rows_[i][c] = address.low();
      } else {
        rows_[i][c] = static_cast<uint64_t>(in[i]);
      }
    }
  }

  // Strings have no place in a row.
  void Take(size_t, size_t, const parquet::Strings&) {}

  absl::Status TakeStrings(size_t row, Record* record) const {
    for (const size_t c : string_columns_) {
      const auto& values = std::get<parquet::Strings>(columns_[c]);
      FATHOM_RETURN_IF_ERROR(SetString(c, values[row], record));
    }
    return absl::OkStatus();
  }

  bool Follows(const Row& row) const {
    if (!any_) return true;
    const auto order = OrderOf(last_) <=> OrderOf(row);
    return order < 0 || (order == 0 && repeats_);
  }

  const std::unique_ptr<parquet::Reader> reader_;
  const std::string path_;
  const bool repeats_;  // Whether rows may be equal in what orders them.
  const std::span<const Spelling> spellings_;
  std::vector<size_t> string_columns_;
  std::vector<parquet::Values> columns_;
  size_t next_group_ = 0;
  size_t group_rows_ = 0;
  size_t next_row_ = 0;
  std::array<Row, kBatch> rows_{};
  std::vector<Record> records_ = std::vector<Record>(kBatch);
  Row last_{};
  bool any_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_PARQUET_TABLE_READER_H_
