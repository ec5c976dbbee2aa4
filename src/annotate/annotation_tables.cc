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

absl::StatusOr<InterfaceTable> InterfaceTable::Create(
    const std::string& dataset, Family family) {
  FATHOM_ASSIGN_OR_RETURN(
      RowTable table,
      RowTable::Create(absl::StrCat(dataset, "/", kInterfacesName),
                       InterfaceSchema(family)));
  return InterfaceTable(std::move(table));
}

absl::Status InterfaceTable::Write(const IpAddress& address,
                                   const Annotation& annotation,
                                   const std::string& name,
                                   const Interface& interface) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  RowFiller row(table_.columns());
  row.Add(address)
      .Add(annotation.asn)
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
      RowTable table, RowTable::Create(absl::StrCat(dataset, "/", kAsLinksName),
                                       AsLinkSchema()));
  return AsLinkTable(std::move(table));
}

absl::Status AsLinkTable::Write(const AsLink& link,
                                const std::string& near_name,
                                const std::string& far_name) {
  RowFiller(table_.columns())
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
