#ifndef FATHOM_SRC_ANNOTATE_ANNOTATION_TABLES_H_
#define FATHOM_SRC_ANNOTATE_ANNOTATION_TABLES_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/annotate/annotator.h"
#include "src/annotate/as_links.h"
#include "src/annotate/interfaces.h"
#include "src/dataset/row_table.h"

namespace fathom {

// The tables that annotation adds to a dataset: interfaces.parquet and
// as_links.parquet. FORMAT.md says what their columns mean.
//
// Each is written beside its place and comes there by a rename, over what was
// there before: a reader finds the old one or the new one, whole. The same rows
// and keys give the same bytes.

inline constexpr char kInterfacesName[] = "interfaces.parquet";
inline constexpr char kAsLinksName[] = "as_links.parquet";

// The columns; one by which the rows are in order comes first.
parquet::Schema InterfaceSchema(Family family);
parquet::Schema AsLinkSchema();

// The table of interfaces, to be written in ascending order of address.
class InterfaceTable {
 public:
  // In the directory of a dataset with addresses of `family`.
  static absl::StatusOr<InterfaceTable> Create(const std::string& dataset,
                                               Family family);

  absl::Status Write(const IpAddress& address, const Annotation& annotation,
                     const std::string& name, const Interface& interface);

  RowTable& table() { return table_; }

 private:
  explicit InterfaceTable(RowTable table) : table_(std::move(table)) {}

  RowTable table_;
};

// The table of AS links, in ascending order of their ends.
class AsLinkTable {
 public:
  static absl::StatusOr<AsLinkTable> Create(const std::string& dataset);

  absl::Status Write(const AsLink& link, const std::string& near_name,
                     const std::string& far_name);

  RowTable& table() { return table_; }

 private:
  explicit AsLinkTable(RowTable table) : table_(std::move(table)) {}

  RowTable table_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_ANNOTATION_TABLES_H_
