#include "src/dataset/seal.h"

#include <xxhash.h>

#include <new>

namespace fathom {

void Sealer::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

Sealer::Sealer() : file_(XXH3_createState()), row_group_(XXH3_createState()) {
  // As new would say it.
  if (file_ == nullptr || row_group_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(file_.get());
}

void Sealer::Add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(file_.get(), bytes.data(), bytes.size());
  if (in_row_group_) {
    XXH3_64bits_update(row_group_.get(), bytes.data(), bytes.size());
  }
  seal_.bytes += bytes.size();
}

void Sealer::BeginRowGroup() {
  XXH3_64bits_reset(row_group_.get());
  row_group_start_ = seal_.bytes;
  in_row_group_ = true;
}

void Sealer::EndRowGroup(uint64_t rows) {
  seal_.row_groups.push_back({.bytes = seal_.bytes - row_group_start_,
                              .xxh3 = XXH3_64bits_digest(row_group_.get())});
  seal_.rows += rows;
  in_row_group_ = false;
}

FileSeal Sealer::seal() const {
  FileSeal seal = seal_;
  seal.xxh3 = XXH3_64bits_digest(file_.get());
  return seal;
}

}  // namespace fathom
