#ifndef FATHOM_SRC_DATASET_PARQUET_TABLE_WRITER_H_
#define FATHOM_SRC_DATASET_PARQUET_TABLE_WRITER_H_

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/writer.h"
#include "src/dataset/tables.h"

namespace fathom {

// Records to a Parquet file: rows to columns, batch by batch.
//
// Record is Reply with HopRow, or Link with LinkRow. A table holds the columns
// of one row group: 16 MB of hops or 10 MB of links, once it has been full, and
// their strings.
template <typename Record, typename Row>
class ParquetTableWriter {
 public:
  ParquetTableWriter(std::unique_ptr<parquet::Writer> writer,
                     const parquet::Schema& schema,
                     std::span<const Spelling> spellings)
      : writer_(std::move(writer)), spellings_(spellings) {
    for (const parquet::Column& column : schema.columns) {
      columns_.push_back(parquet::MakeValues(column.type));
    }
  }

  // REQUIRES: CheckFits(records), and the order of the table. Where the number
  // of its scan is no part of a record, `scans` has one for each, or none.
  absl::Status Write(std::span<const Record> records,
                     std::span<const uint16_t> scans = {}) {
    while (!records.empty()) {
      const size_t count = std::min(
          {records.size(), kBatch, parquet::kRowGroupRows - buffered_});
      Turn(records.first(count), scans);
      records = records.subspan(count);
      if (!scans.empty()) scans = scans.subspan(count);
      if (buffered_ == parquet::kRowGroupRows || strings_ != 0) {
        FATHOM_RETURN_IF_ERROR(Flush());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Finish(parquet::KeyValues key_values) {
    if (buffered_ != 0) FATHOM_RETURN_IF_ERROR(Flush());
    return writer_->Finish(std::move(key_values));
  }

  // REQUIRES: Finish() was OK.
  FileSeal seal() const { return writer_->seal(); }

 private:
  // Few enough to stay in the cache between rows and columns.
  static constexpr size_t kBatch = 256;
  // A row group ends at so many bytes of strings in a column: with a batch
  // more, and all lengths, they still fit a page.
  static constexpr size_t kManyStrings = parquet::kMaxStringPage / 2;

  // Appends up to kBatch records to the columns.
  void Turn(std::span<const Record> records, std::span<const uint16_t> scans) {
    for (size_t i = 0; i < records.size(); ++i) {
      rows_[i] = ToRow(records[i]);
      if constexpr (std::is_same_v<Row, HopRow>) {
        if (!scans.empty()) rows_[i][kHopScanColumn] = scans[i];
      }
      assert(OrderOf(i > 0 ? rows_[i - 1] : last_) <= OrderOf(rows_[i]));
    }
    last_ = rows_[records.size() - 1];
    for (size_t c = 0; c < columns_.size(); ++c) {
      std::visit([&](auto& values) { Append(records, c, values); },
                 columns_[c]);
    }
    buffered_ += records.size();
  }

  template <typename T>
  void Append(std::span<const Record> records, size_t c,
              std::vector<T>& values) {
    values.resize(buffered_ + records.size());
    T* const out = values.data() + buffered_;
    for (size_t i = 0; i < records.size(); ++i) {
      if constexpr (std::is_same_v<T, parquet::AddressBytes>) {
        const size_t upper = UpperCell(rows_[i], c);
        Store(Be64(rows_[i][upper]), Half(out[i], 0));
        Store(Be64(rows_[i][c]), Half(out[i], 8));
      } else {
        out[i] = static_cast<T>(rows_[i][c]);
      }
    }
  }

  void Append(std::span<const Record> records, size_t c,
              parquet::Strings& values) {
    const bool address = spellings_[c] == Spelling::kAddress;
    for (size_t i = 0; i < records.size(); ++i) {
      if (address) {
        values.Add(AddressText(rows_[i], c));
      } else if (HasStrings(records[i])) {
        values.Add(StringOf(records[i], c));
      } else {
        values.Add({});
      }
    }
    strings_ += values.bytes() > kManyStrings ? 1 : 0;
  }

  static std::string AddressText(const Row& row, size_t c) {
    return IpAddress::V6(row[UpperCell(row, c)], row[c]).ToString();
  }

  static std::span<std::byte> Half(parquet::AddressBytes& address,
                                   size_t offset) {
    return std::as_writable_bytes(std::span(address)).subspan(offset, 8);
  }

  absl::Status Flush() {
    FATHOM_RETURN_IF_ERROR(writer_->WriteRowGroup(columns_));
    for (auto& column : columns_) {
      std::visit([](auto& values) { values.clear(); }, column);
    }
    buffered_ = 0;
    strings_ = 0;
    return absl::OkStatus();
  }

  std::unique_ptr<parquet::Writer> writer_;
  const std::span<const Spelling> spellings_;
  std::vector<parquet::Values> columns_;
  size_t buffered_ = 0;  // Rows in columns_.
  size_t strings_ = 0;   // Columns with kManyStrings bytes or more.
  std::array<Row, kBatch> rows_;
  Row last_{};
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_PARQUET_TABLE_WRITER_H_
