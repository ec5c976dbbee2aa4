#ifndef FATHOM_SRC_MERGE_CHANGE_WRITERS_H_
#define FATHOM_SRC_MERGE_CHANGE_WRITERS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/merge/diff_datasets.h"

namespace fathom {

// Writes what changed between two datasets. FORMAT.md says what the columns
// mean. One that is destroyed before Finish() leaves nothing behind.
class ChangeWriter : public ChangeSink {
 public:
  // Makes it durable and visible, all at once. `about`, a JSON object, says
  // what was compared, where there is a place for it.
  virtual absl::Status Finish(const std::string& about) = 0;
};

// A directory with link_changes.parquet and interface_changes.parquet.
absl::StatusOr<std::unique_ptr<ChangeWriter>> CreateChangeTables(
    const std::string& path);

enum class ChangeText { kCsv, kJsonLines };

// The changes of links, or else of interfaces, as text in a file, or on
// standard output if `path` is "-".
absl::StatusOr<std::unique_ptr<ChangeWriter>> CreateChangeText(
    const std::string& path, ChangeText style, bool interfaces);

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_CHANGE_WRITERS_H_
