#ifndef FATHOM_SRC_LOAD_LOAD_H_
#define FATHOM_SRC_LOAD_LOAD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fathom {

// Loads a dataset into ClickHouse, so that it stands there once.
//
// Rows go in their order, 262,144 at a time; each such insert is one block and
// is there wholly or not at all. So the number of rows that stand there says
// where an interrupted load ended, and the next one goes on from there. The
// table `datasets` says which datasets are whole; one that is whole is refused.
//
// Holds one insert of each table: some 25 MB of each, and up to 64 MiB of the
// strings of hops.

// By Table.
using TableRows = std::array<uint64_t, 3>;

struct LoadOptions {
  std::string dataset{};
  std::string url{};
  std::string password{};  // If the URL has none.
  std::string database = "default";
  std::string table_prefix{};
  bool create = false;  // Makes database and tables that are not there.
  bool again = false;   // First removes what is there of this dataset.
  std::stop_token stop{};
  // Called after each insert, with the rows that stand there.
  std::function<void(const TableRows&)> on_progress{};
};

struct LoadSummary {
  uint64_t id = 0;    // What the column `dataset` has: XXH3-64 of the manifest.
  TableRows found{};  // Rows that an interrupted load had left.
  TableRows rows{};   // Rows that stand there now.
  bool whole = false;  // False if it was asked to stop.
};

// Errors say what stands there, if anything does.
absl::StatusOr<LoadSummary> LoadDataset(const LoadOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_LOAD_LOAD_H_
