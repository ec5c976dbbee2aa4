#ifndef FATHOM_SRC_LOAD_CLICKHOUSE_TABLES_H_
#define FATHOM_SRC_LOAD_CLICKHOUSE_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/dataset.h"
#include "src/load/clickhouse_server.h"

namespace fathom {

// The tables of datasets in ClickHouse: those of FORMAT.md, with a column
// `dataset` before the others, the XXH3-64 of its manifest, so that one table
// holds many; and the table `datasets`, which says what was loaded.
//
// Each dataset is a partition, so that one can be dropped, and a query for one
// reads no other. Within these, rows are in the order of FORMAT.md.

class ClickhouseTables {
 public:
  // Fails on names that are not letters, digits and "_": a database and tables
  // that ask for quotes are a plague in every query.
  static absl::StatusOr<ClickhouseTables> Make(const std::string& database,
                                               const std::string& prefix);

  const std::string& database() const { return database_; }

  // With the database, as a query has it.
  std::string Name(Table table) const;
  std::string Datasets() const;

  // Makes what is not there.
  absl::Status Create(ClickhouseServer& server, Family family) const;

  // Fails unless the tables are there and have the columns of such datasets.
  absl::Status Check(ClickhouseServer& server, Family family) const;

 private:
  ClickhouseTables(std::string database, std::string prefix)
      : database_(std::move(database)), prefix_(std::move(prefix)) {}

  std::string Qualified(const std::string& table) const;
  std::string CreateStatement(Table table, Family family, bool codecs) const;
  absl::Status CheckTable(ClickhouseServer& server, Table table,
                          Family family) const;

  std::string database_;
  std::string prefix_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LOAD_CLICKHOUSE_TABLES_H_
