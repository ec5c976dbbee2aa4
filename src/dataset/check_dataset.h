#ifndef FATHOM_SRC_DATASET_CHECK_DATASET_H_
#define FATHOM_SRC_DATASET_CHECK_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fathom {

// Whether a dataset is still what was written: each file of its manifest has
// the bytes that its seal says, and every row of its tables can be read and
// means something. Reads each file twice; memory is that of a row group.

struct Damage {
  std::string file{};  // Its name in the dataset.
  // Where in it, from 0; nullopt: not in one, or it is not known in which.
  std::optional<size_t> row_group{};
  std::string what{};
};

struct DatasetCheck {
  bool sealed = false;  // False: of a version that sealed nothing.
  uint64_t files = 0;   // With a seal.
  uint64_t bytes = 0;   // Of these.
  uint64_t rows = 0;    // Likewise.
  std::vector<Damage> damages{};
};

// `path` is the dataset's directory. What cannot be read is a damage, too.
DatasetCheck CheckDataset(const std::string& path);

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_CHECK_DATASET_H_
