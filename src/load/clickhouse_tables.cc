#include "src/load/clickhouse_tables.h"

#include <map>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/native_block.h"
#include "src/dataset/tables.h"

namespace fathom {
namespace {

// From here on columns have codecs with levels and Delta. Below, the server
// compresses all by LZ4, or as its own configuration says.
constexpr ClickhouseVersion kCodecs = {20, 1};

absl::Status CheckName(const char* option, std::string_view name) {
  for (const char c : name) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_')
      continue;
    return absl::InvalidArgumentError(absl::StrCat(
        option, " ", std::string(name), ": letters, digits and \"_\" only"));
  }
  return absl::OkStatus();
}

// Sorted numbers are small differences; all else is left to zstd.
std::string_view CodecOf(const parquet::Column& column, size_t index,
                         const parquet::Schema& schema) {
  const bool number = parquet::IsInteger(column.type);
  const bool delta = number && index < schema.sorted &&
                     column.type != parquet::ColumnType::kUint8;
  return delta ? " CODEC(Delta, ZSTD(1))" : " CODEC(ZSTD(1))";
}

// Whether a column of `type` takes what a block of Native has in it.
bool Takes(std::string_view type, parquet::ColumnType ours) {
  if (type == NativeType(ours)) return true;
  if (ours == parquet::ColumnType::kUint32) return type == "IPv4";
  if (ours == parquet::ColumnType::kAddress) return type == "IPv6";
  return type == "LowCardinality(String)" &&
         ours >= parquet::ColumnType::kString;
}

}  // namespace

absl::StatusOr<ClickhouseTables> ClickhouseTables::Make(
    const std::string& database, const std::string& prefix) {
  FATHOM_RETURN_IF_ERROR(CheckName("--database", database));
  FATHOM_RETURN_IF_ERROR(CheckName("--table-prefix", prefix));
  if (database.empty()) {
    return absl::InvalidArgumentError("--database: it needs a name");
  }
  return ClickhouseTables(database, prefix);
}

std::string ClickhouseTables::Qualified(const std::string& table) const {
  return absl::StrCat(QuoteName(database_), ".", QuoteName(prefix_ + table));
}

std::string ClickhouseTables::Name(Table table) const {
  return Qualified(kTableNames[static_cast<size_t>(table)]);
}

std::string ClickhouseTables::Datasets() const { return Qualified("datasets"); }

std::string ClickhouseTables::CreateStatement(Table table, Family family,
                                              bool codecs) const {
  const parquet::Schema schema = SchemaOf(table, family);
  std::string text =
      absl::StrCat("CREATE TABLE IF NOT EXISTS ", Name(table),
                   " (dataset UInt64", codecs ? " CODEC(ZSTD(1))" : "");
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    const parquet::Column& column = schema.columns[i];
    absl::StrAppend(&text, ", ", column.name, " ",
                    std::string(NativeType(column.type)));
    if (codecs) absl::StrAppend(&text, std::string(CodecOf(column, i, schema)));
  }
  absl::StrAppend(&text,
                  ") ENGINE = MergeTree PARTITION BY dataset ORDER BY (");
  for (size_t i = 0; i < schema.sorted; ++i) {
    absl::StrAppend(&text, i > 0 ? ", " : "", schema.columns[i].name);
  }
  return absl::StrCat(text, ")");
}

absl::Status ClickhouseTables::Create(ClickhouseServer& server,
                                      Family family) const {
  FATHOM_RETURN_IF_ERROR(server.Run(
      absl::StrCat("CREATE DATABASE IF NOT EXISTS ", QuoteName(database_))));
  const bool codecs = server.version() >= kCodecs;
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    FATHOM_RETURN_IF_ERROR(server.Run(CreateStatement(table, family, codecs)));
  }
  return server.Run(absl::StrCat(
      "CREATE TABLE IF NOT EXISTS ", Datasets(),
      " (dataset UInt64, name String, links UInt64, gaps UInt64, hops UInt64, "
      "time DateTime DEFAULT now(), manifest String) ENGINE = MergeTree "
      "PARTITION BY dataset ORDER BY dataset"));
}

absl::Status ClickhouseTables::CheckTable(ClickhouseServer& server, Table table,
                                          Family family) const {
  const std::string name = prefix_ + kTableNames[static_cast<size_t>(table)];
  FATHOM_ASSIGN_OR_RETURN(
      const auto rows,
      server.Ask(absl::StrCat("SELECT name, type FROM system.columns WHERE "
                              "database = ",
                              QuoteString(database_),
                              " AND table = ", QuoteString(name))));
  if (rows.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(server.shown_url(), " has no table ", database_, ".", name,
                     "; --create makes it"));
  }
  std::map<std::string, std::string> types;
  for (const auto& row : rows) types.emplace(row[0], row[1]);
  const auto check = [&](const char* column, parquet::ColumnType type) {
    const auto at = types.find(column);
    if (at != types.end() && Takes(at->second, type)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        database_, ".", name, " has ",
        at == types.end() ? "no column "
                          : absl::StrCat("a column ", at->second, " "),
        column, ", and this dataset of ",
        family == Family::kIpv4 ? "IPv4" : "IPv6", " needs it to be ",
        std::string(NativeType(type)),
        "; another --table-prefix makes room for other tables"));
  };
  FATHOM_RETURN_IF_ERROR(check("dataset", parquet::ColumnType::kUint64));
  for (const parquet::Column& column : SchemaOf(table, family).columns) {
    FATHOM_RETURN_IF_ERROR(check(column.name, column.type));
  }
  return absl::OkStatus();
}

absl::Status ClickhouseTables::Check(ClickhouseServer& server,
                                     Family family) const {
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    FATHOM_RETURN_IF_ERROR(CheckTable(server, table, family));
  }
  // It asks for the columns that are needed, and the server says what is wrong.
  return server
      .Ask(absl::StrCat("SELECT dataset, name, links, gaps, hops, time, "
                        "manifest FROM ",
                        Datasets(), " LIMIT 0"))
      .status();
}

}  // namespace fathom
