#include "src/dataset/native_block.h"

#include <algorithm>

#include "src/base/bytes.h"

namespace fathom {
namespace {

using parquet::ColumnType;

// Unsigned LEB128.
void AppendVarint(uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) {
    out->push_back(static_cast<char>(number | 0x80));
  }
  out->push_back(static_cast<char>(number));
}

void AppendText(std::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  out->append(text);
}

template <typename T>
void AppendRaw(const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::string_view NativeType(ColumnType type) {
  switch (type) {
    case ColumnType::kUint8:
      return "UInt8";
    case ColumnType::kUint16:
      return "UInt16";
    case ColumnType::kUint32:
      return "UInt32";
    case ColumnType::kUint64:
      return "UInt64";
    case ColumnType::kDouble:
      return "Float64";
    case ColumnType::kAddress:
      return "FixedString(16)";
    case ColumnType::kString:
    case ColumnType::kBinary:
      break;
  }
  return "String";
}

NativeBlock::NativeBlock(Table table, Family family,
                         std::optional<uint64_t> dataset)
    : columns_(SchemaOf(table, family).columns),
      dataset_(dataset),
      values_(columns_.size()) {}

template <typename T, typename Row>
void NativeBlock::AppendNumbers(std::span<const Row> rows, size_t column) {
  std::array<T, kBatch> numbers;
  for (size_t i = 0; i < rows.size(); ++i) {
    numbers[i] = static_cast<T>(rows[i][column]);
  }
  values_[column].append(reinterpret_cast<const char*>(numbers.data()),
                         rows.size() * sizeof(T));
}

template <typename Row>
void NativeBlock::AppendAddresses(std::span<const Row> rows, size_t column) {
  for (const Row& row : rows) {
    AppendRaw(Be64(row[UpperCell(row, column)]), &values_[column]);
    AppendRaw(Be64(row[column]), &values_[column]);
  }
}

void NativeBlock::AppendString(std::string_view string, size_t column) {
  const size_t before = values_[column].size();
  AppendText(string, &values_[column]);
  string_bytes_ += values_[column].size() - before;
}

template <typename Row, typename Record>
void NativeBlock::AddRows(std::span<const Record> records) {
  std::array<Row, kBatch> batch;
  while (!records.empty()) {
    const size_t count = std::min(records.size(), kBatch);
    for (size_t i = 0; i < count; ++i) batch[i] = ToRow(records[i]);
    const std::span<const Row> rows(batch.data(), count);
    for (size_t c = 0; c < columns_.size(); ++c) {
      switch (columns_[c].type) {
        case ColumnType::kUint8:
          AppendNumbers<uint8_t>(rows, c);
          break;
        case ColumnType::kUint16:
          AppendNumbers<uint16_t>(rows, c);
          break;
        case ColumnType::kUint32:
          AppendNumbers<uint32_t>(rows, c);
          break;
        case ColumnType::kUint64:
          AppendNumbers<uint64_t>(rows, c);
          break;
        case ColumnType::kAddress:
          AppendAddresses(rows, c);
          break;
        case ColumnType::kDouble:  // No table of a scan has any.
          break;
        case ColumnType::kString:
        case ColumnType::kBinary:
          for (size_t i = 0; i < count; ++i) {
            AppendString(StringOf(records[i], c), c);
          }
          break;
      }
    }
    rows_ += count;
    records = records.subspan(count);
  }
}

template void NativeBlock::AddRows<HopRow>(std::span<const Reply>);
template void NativeBlock::AddRows<LinkRow>(std::span<const Link>);

std::string_view NativeBlock::Take() {
  text_.clear();
  AppendVarint(columns_.size() + (dataset_ ? 1 : 0), &text_);
  AppendVarint(rows_, &text_);
  if (dataset_) {
    AppendText("dataset", &text_);
    AppendText("UInt64", &text_);
    for (size_t i = 0; i < rows_; ++i) AppendRaw(*dataset_, &text_);
  }
  for (size_t c = 0; c < columns_.size(); ++c) {
    AppendText(columns_[c].name, &text_);
    AppendText(NativeType(columns_[c].type), &text_);
    text_.append(values_[c]);
    values_[c].clear();
  }
  rows_ = 0;
  string_bytes_ = 0;
  return text_;
}

}  // namespace fathom
