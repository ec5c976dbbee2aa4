#ifndef FATHOM_SRC_LAB_TALLY_H_
#define FATHOM_SRC_LAB_TALLY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "src/base/hash.h"

namespace fathom::lab {

// Rows that come again and again, each kept once: Add() merges those with
// equal keys, Take() hands them over ascending.
//
// Row has `uint64_t key() const` and `void Merge(const Row& other)`, which
// commutes and associates. Neighbouring targets share most of their routers, so
// most rows meet their like in a small table and go no further. The rest are
// sorted and merged now and then: it takes twice the room of the result.
template <typename Row>
class Tally {
 public:
  // Sorts once there are `least` rows, and again when they have doubled.
  explicit Tally(size_t least = 1 << 20)
      : recent_(kRecent), used_(kRecent, false), least_(least) {}

  void Add(const Row& row) {
    const uint64_t key = row.key();
    const size_t slot = static_cast<size_t>(Mix(key)) % kRecent;
    if (used_[slot] && recent_[slot].key() == key) {
      recent_[slot].Merge(row);
      return;
    }
    if (used_[slot]) Keep(recent_[slot]);
    recent_[slot] = row;
    used_[slot] = true;
  }

  // All rows, by key. Once, at the end.
  std::vector<Row> Take() {
    for (size_t slot = 0; slot < kRecent; ++slot) {
      if (used_[slot]) rows_.push_back(recent_[slot]);
    }
    recent_ = {};
    Compact();
    return std::move(rows_);
  }

 private:
  static constexpr size_t kRecent = 1 << 14;

  void Keep(const Row& row) {
    rows_.push_back(row);
    if (rows_.size() >= limit_) Compact();
  }

  void Compact() {
    std::sort(rows_.begin(), rows_.end(),
              [](const Row& a, const Row& b) { return a.key() < b.key(); });
    size_t kept = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (kept > 0 && rows_[kept - 1].key() == rows_[i].key()) {
        rows_[kept - 1].Merge(rows_[i]);
      } else {
        rows_[kept++] = rows_[i];
      }
    }
    rows_.resize(kept);
    limit_ = 2 * kept + least_;
  }

  std::vector<Row> recent_;
  std::vector<bool> used_;
  std::vector<Row> rows_;
  const size_t least_;
  size_t limit_ = least_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_TALLY_H_
