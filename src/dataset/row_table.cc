#include "src/dataset/row_table.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet/byte_values.h"

namespace fathom {
namespace {

parquet::AddressBytes ToBytes(const IpAddress& address) {
  parquet::AddressBytes bytes;
  const auto raw = std::as_writable_bytes(std::span(bytes));
  Store(BigEndian<uint64_t>(address.high()), raw);
  Store(BigEndian<uint64_t>(address.low()), raw.subspan(8));
  return bytes;
}

}  // namespace

RowFiller& RowFiller::Add(const IpAddress& address) {
  if (std::holds_alternative<std::vector<uint32_t>>(columns_[next_])) {
    return Add(address.v4());
  }
  return AddTo<std::vector<parquet::AddressBytes>>(ToBytes(address));
}

RowTable::RowTable(std::string path, std::string temporary,
                   const parquet::Schema& schema,
                   std::unique_ptr<parquet::Writer> writer)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      writer_(std::move(writer)) {
  for (const parquet::Column& column : schema.columns) {
    columns_.push_back(parquet::MakeValues(column.type));
  }
}

RowTable::~RowTable() {
  if (writer_ != nullptr) unlink(temporary_.c_str());
}

absl::StatusOr<RowTable> RowTable::Create(const std::string& path,
                                          const parquet::Schema& schema) {
  std::string temporary = TemporaryName(path, 0);
  FATHOM_ASSIGN_OR_RETURN(auto writer,
                          parquet::Writer::Create(temporary, schema));
  return RowTable(path, std::move(temporary), schema, std::move(writer));
}

absl::Status RowTable::EndRow() {
  ++rows_;
  // Strings must fit a page, with their lengths and whatever one row adds.
  constexpr size_t kManyStrings = parquet::kMaxStringPage / 2;
  const auto is_full = [](const parquet::Values& values) {
    const auto* const strings = std::get_if<parquet::Strings>(&values);
    return strings != nullptr && strings->bytes() > kManyStrings;
  };
  if (rows_ < parquet::kRowGroupRows &&
      std::none_of(columns_.begin(), columns_.end(), is_full)) {
    return absl::OkStatus();
  }
  return Flush();
}

absl::Status RowTable::Flush() {
  if (rows_ == 0) return absl::OkStatus();
  FATHOM_RETURN_IF_ERROR(writer_->WriteRowGroup(columns_));
  for (auto& column : columns_) {
    std::visit([](auto& values) { values.clear(); }, column);
  }
  rows_ = 0;
  return absl::OkStatus();
}

absl::Status RowTable::Finish(parquet::KeyValues key_values) {
  FATHOM_RETURN_IF_ERROR(Flush());
  return writer_->Finish(std::move(key_values));
}

absl::Status RowTable::Publish() {
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    return FileError(absl::StrCat("rename ", temporary_, " to"), path_, errno);
  }
  writer_.reset();
  return SyncDirectory(path_.substr(0, path_.rfind('/')));
}

}  // namespace fathom
