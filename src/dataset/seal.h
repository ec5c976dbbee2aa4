#ifndef FATHOM_SRC_DATASET_SEAL_H_
#define FATHOM_SRC_DATASET_SEAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct XXH3_state_s;

namespace fathom {

// What a file of a dataset was when it was written, to tell later whether it
// still is: its size, its rows, and XXH3 hashes of 64 bits, one of all its
// bytes and one of each row group, so that damage can be found where it is.

struct RowGroupSeal {
  uint64_t bytes = 0;
  uint64_t xxh3 = 0;

  friend bool operator==(const RowGroupSeal&, const RowGroupSeal&) = default;
};

struct FileSeal {
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint64_t xxh3 = 0;
  // One after the other, behind the four bytes of Parquet's magic. What
  // follows them is the footer.
  std::vector<RowGroupSeal> row_groups{};

  friend bool operator==(const FileSeal&, const FileSeal&) = default;
};

// Hashes a file as it goes by, from its first byte to its last. Takes 1.2 kB,
// and 16 bytes a row group.
class Sealer {
 public:
  Sealer();

  void Add(std::span<const std::byte> bytes);

  // What is added from here on is a row group; and here it ends.
  void BeginRowGroup();
  void EndRowGroup(uint64_t rows);

  // Of all that was added.
  FileSeal seal() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  using State = std::unique_ptr<XXH3_state_s, Free>;

  State file_;
  State row_group_;
  bool in_row_group_ = false;
  uint64_t row_group_start_ = 0;
  FileSeal seal_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_SEAL_H_
