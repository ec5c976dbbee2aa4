#include "src/annotate/annotation_tables.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string_view>
#include <variant>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet/byte_values.h"

namespace fathom {
namespace {

using parquet::Column;
using parquet::ColumnType;
using parquet::Layout;

constexpr auto InterfaceColumns(ColumnType address) {
  return std::to_array<Column>({
      {"address", address, Layout::kDelta},
      {"asn", ColumnType::kUint32, Layout::kDictionaryBytes},
      {"as_name", ColumnType::kString, Layout::kDictionary},
      {"country", ColumnType::kString, Layout::kDictionary},
      {"city", ColumnType::kString, Layout::kDictionary},
      {"latitude", ColumnType::kDouble},
      {"longitude", ColumnType::kDouble},
      {"ixp", ColumnType::kString, Layout::kDictionary},
      {"name", ColumnType::kString, Layout::kDictionary},
      {"replies", ColumnType::kUint64, Layout::kDictionary},
      {"links_near", ColumnType::kUint32, Layout::kDictionary},
      {"links_far", ColumnType::kUint32, Layout::kDictionary},
  });
}
constexpr auto kInterfaces4 = InterfaceColumns(ColumnType::kUint32);
constexpr auto kInterfaces6 = InterfaceColumns(ColumnType::kAddress);

constexpr Column kAsLinks[] = {
    {"near_asn", ColumnType::kUint32, Layout::kDelta},
    {"far_asn", ColumnType::kUint32, Layout::kDelta},
    {"near_name", ColumnType::kString, Layout::kDictionary},
    {"far_name", ColumnType::kString, Layout::kDictionary},
    {"links", ColumnType::kUint32, Layout::kDictionary},
    {"ixp_links", ColumnType::kUint32, Layout::kDictionary},
    {"paths", ColumnType::kUint64, Layout::kDictionary},
    {"first_seen", ColumnType::kUint32, Layout::kDictionary},
    {"last_seen", ColumnType::kUint32, Layout::kDictionary},
};

// Adds values to the columns of a row, from the first on.
class Row {
 public:
  explicit Row(std::vector<parquet::Values>& columns) : columns_(columns) {}

  Row& Add(uint32_t value) { return AddTo<std::vector<uint32_t>>(value); }
  Row& Add(uint64_t value) { return AddTo<std::vector<uint64_t>>(value); }
  Row& Add(double value) { return AddTo<std::vector<double>>(value); }
  Row& Add(const std::string& value) {
    std::get<parquet::Strings>(columns_[next_++]).Add(value);
    return *this;
  }
  Row& Add(const parquet::AddressBytes& value) {
    return AddTo<std::vector<parquet::AddressBytes>>(value);
  }

 private:
  template <typename Vector, typename T>
  Row& AddTo(const T& value) {
    std::get<Vector>(columns_[next_++]).push_back(value);
    return *this;
  }

  std::vector<parquet::Values>& columns_;
  size_t next_ = 0;
};

parquet::AddressBytes ToBytes(const IpAddress& address) {
  parquet::AddressBytes bytes;
  const auto raw = std::as_writable_bytes(std::span(bytes));
  Store(BigEndian<uint64_t>(address.high()), raw);
  Store(BigEndian<uint64_t>(address.low()), raw.subspan(8));
  return bytes;
}

uint32_t ToSeconds(Instant instant) {
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch());
  return static_cast<uint32_t>(std::clamp<int64_t>(
      seconds.count(), 0, std::numeric_limits<uint32_t>::max()));
}

}  // namespace

parquet::Schema InterfaceSchema(Family family) {
  return {family == Family::kIpv4 ? kInterfaces4 : kInterfaces6, 1};
}

parquet::Schema AsLinkSchema() { return {kAsLinks, 2}; }

AnnotationTable::AnnotationTable(std::string path, std::string temporary,
                                 const parquet::Schema& schema,
                                 std::unique_ptr<parquet::Writer> writer)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      writer_(std::move(writer)) {
  for (const Column& column : schema.columns) {
    columns_.push_back(parquet::MakeValues(column.type));
  }
}

AnnotationTable::~AnnotationTable() {
  if (writer_ != nullptr) unlink(temporary_.c_str());
}

absl::StatusOr<AnnotationTable> AnnotationTable::Create(
    const std::string& path, const parquet::Schema& schema) {
  std::string temporary = TemporaryName(path, 0);
  FATHOM_ASSIGN_OR_RETURN(auto writer,
                          parquet::Writer::Create(temporary, schema));
  return AnnotationTable(path, std::move(temporary), schema, std::move(writer));
}

absl::Status AnnotationTable::EndRow() {
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

absl::Status AnnotationTable::Flush() {
  if (rows_ == 0) return absl::OkStatus();
  FATHOM_RETURN_IF_ERROR(writer_->WriteRowGroup(columns_));
  for (auto& column : columns_) {
    std::visit([](auto& values) { values.clear(); }, column);
  }
  rows_ = 0;
  return absl::OkStatus();
}

absl::Status AnnotationTable::Finish(parquet::KeyValues key_values) {
  FATHOM_RETURN_IF_ERROR(Flush());
  return writer_->Finish(std::move(key_values));
}

absl::Status AnnotationTable::Publish() {
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    return FileError(absl::StrCat("rename ", temporary_, " to"), path_, errno);
  }
  writer_.reset();
  return SyncDirectory(path_.substr(0, path_.rfind('/')));
}

absl::StatusOr<InterfaceTable> InterfaceTable::Create(
    const std::string& dataset, Family family) {
  FATHOM_ASSIGN_OR_RETURN(
      AnnotationTable table,
      AnnotationTable::Create(absl::StrCat(dataset, "/", kInterfacesName),
                              InterfaceSchema(family)));
  return InterfaceTable(std::move(table));
}

absl::Status InterfaceTable::Write(const IpAddress& address,
                                   const Annotation& annotation,
                                   const std::string& name,
                                   const Interface& interface) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  Row row(table_.columns());
  if (std::holds_alternative<std::vector<uint32_t>>(table_.columns()[0])) {
    row.Add(address.v4());
  } else {
    row.Add(ToBytes(address));
  }
  row.Add(annotation.asn)
      .Add(annotation.as_name)
      .Add(annotation.country)
      .Add(annotation.city)
      .Add(annotation.latitude.value_or(kUnknown))
      .Add(annotation.longitude.value_or(kUnknown))
      .Add(annotation.ixp)
      .Add(name)
      .Add(interface.replies)
      .Add(interface.links_near)
      .Add(interface.links_far);
  return table_.EndRow();
}

absl::StatusOr<AsLinkTable> AsLinkTable::Create(const std::string& dataset) {
  FATHOM_ASSIGN_OR_RETURN(
      AnnotationTable table,
      AnnotationTable::Create(absl::StrCat(dataset, "/", kAsLinksName),
                              AsLinkSchema()));
  return AsLinkTable(std::move(table));
}

absl::Status AsLinkTable::Write(const AsLink& link,
                                const std::string& near_name,
                                const std::string& far_name) {
  Row(table_.columns())
      .Add(link.near_asn)
      .Add(link.far_asn)
      .Add(near_name)
      .Add(far_name)
      .Add(link.links)
      .Add(link.ixp_links)
      .Add(link.paths)
      .Add(ToSeconds(link.first_seen))
      .Add(ToSeconds(link.last_seen));
  return table_.EndRow();
}

}  // namespace fathom
