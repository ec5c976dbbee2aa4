#ifndef FATHOM_SRC_DATASET_DATASET_FILES_H_
#define FATHOM_SRC_DATASET_DATASET_FILES_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "src/dataset/parquet_table_reader.h"
#include "src/dataset/tables.h"

namespace fathom {

// The directory of a dataset: a Parquet file per table, and the manifest, which
// stands in each of them as well, so that a file on its own says what it is.

using HopReader = ParquetTableReader<Reply, HopRow>;
using LinkReader = ParquetTableReader<Link, LinkRow>;

inline constexpr char kManifestKey[] = "fathom.manifest";

inline std::string FileName(Table table) {
  return absl::StrCat(kTableNames[static_cast<int>(table)], ".parquet");
}

inline std::string TablePath(const std::string& directory, Table table) {
  return absl::StrCat(directory, "/", FileName(table));
}

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_DATASET_FILES_H_
