#ifndef FATHOM_SRC_DATASET_NATIVE_BLOCK_H_
#define FATHOM_SRC_DATASET_NATIVE_BLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/tables.h"

namespace fathom {

// A block of ClickHouse's format Native: the numbers of columns and rows, then
// for each column its name, its type and its values, little end first. Every
// version reads these blocks over HTTP and in files; there is no other header,
// and a stream is blocks one after the other.
//
// IPv4 addresses are UInt32 and IPv6 addresses FixedString(16): versions that
// have the types IPv4 and IPv6 turn these into them as they insert, and version
// 18.16 has no such types.
//
// A block holds its rows once as columns and once as text: some 70 bytes a row
// of hops, and the strings twice.

// What ClickHouse calls the type of a column.
std::string_view NativeType(parquet::ColumnType type);

class NativeBlock {
 public:
  // Each row starts with `dataset`, in a column of that name, if there is one.
  NativeBlock(Table table, Family family,
              std::optional<uint64_t> dataset = std::nullopt);

  // REQUIRES: CheckFits(records, family), and they are of the table.
  void Add(std::span<const Reply> replies) { AddRows<HopRow>(replies); }
  void Add(std::span<const Link> links) { AddRows<LinkRow>(links); }

  size_t rows() const { return rows_; }
  // Of strings and their lengths.
  size_t string_bytes() const { return string_bytes_; }

  // The block as ClickHouse reads it, valid until the next call; empties it.
  std::string_view Take();

 private:
  // Few enough to stay in the cache between rows and columns.
  static constexpr size_t kBatch = 256;

  template <typename Row, typename Record>
  void AddRows(std::span<const Record> records);

  // Appends the batch's values of a column, as wide as T.
  template <typename T, typename Row>
  void AppendNumbers(std::span<const Row> rows, size_t column);
  template <typename Row>
  void AppendAddresses(std::span<const Row> rows, size_t column);
  void AppendString(std::string_view string, size_t column);

  const std::span<const parquet::Column> columns_;
  const std::optional<uint64_t> dataset_;
  std::vector<std::string> values_;  // Of each column.
  size_t rows_ = 0;
  size_t string_bytes_ = 0;
  std::string text_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_NATIVE_BLOCK_H_
