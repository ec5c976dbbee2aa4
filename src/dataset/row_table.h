#ifndef FATHOM_SRC_DATASET_ROW_TABLE_H_
#define FATHOM_SRC_DATASET_ROW_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/parquet/writer.h"

namespace fathom {

// A Parquet file that is filled row by row, for tables that are no part of what
// a scan writes. It is written beside its place and comes there by a rename,
// over what was there before: a reader finds the old one or the new one, whole.
// What it holds is one row group. The same rows and keys give the same bytes.
class RowTable {
 public:
  // `schema`'s columns outlive the table.
  static absl::StatusOr<RowTable> Create(const std::string& path,
                                         const parquet::Schema& schema);

  RowTable(RowTable&&) noexcept = default;
  RowTable& operator=(RowTable&&) = delete;
  // Leaves nothing behind if it was not published.
  ~RowTable();

  // The columns of the next row group, to each of which a row adds a value;
  // then comes EndRow().
  std::vector<parquet::Values>& columns() { return columns_; }
  absl::Status EndRow();

  // Puts all on the disk.
  absl::Status Finish(parquet::KeyValues key_values);
  // REQUIRES: Finish().
  FileSeal seal() const { return writer_->seal(); }
  absl::Status Publish();

 private:
  RowTable(std::string path, std::string temporary,
           const parquet::Schema& schema,
           std::unique_ptr<parquet::Writer> writer);

  absl::Status Flush();

  std::string path_;
  std::string temporary_;
  std::unique_ptr<parquet::Writer> writer_;  // Null once moved from.
  std::vector<parquet::Values> columns_;
  size_t rows_ = 0;  // In columns_.
};

// Adds values to the columns of a row, from the first on.
class RowFiller {
 public:
  explicit RowFiller(std::vector<parquet::Values>& columns)
      : columns_(columns) {}

  RowFiller& Add(uint32_t value) { return AddTo<std::vector<uint32_t>>(value); }
  RowFiller& Add(uint64_t value) { return AddTo<std::vector<uint64_t>>(value); }
  RowFiller& Add(double value) { return AddTo<std::vector<double>>(value); }
  RowFiller& Add(const std::string& value) {
    std::get<parquet::Strings>(columns_[next_++]).Add(value);
    return *this;
  }
  // As a number of 32 bits or as 16 bytes, whichever the column holds.
  RowFiller& Add(const IpAddress& address);

 private:
  template <typename Vector, typename T>
  RowFiller& AddTo(const T& value) {
    std::get<Vector>(columns_[next_++]).push_back(value);
    return *this;
  }

  std::vector<parquet::Values>& columns_;
  size_t next_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_ROW_TABLE_H_
