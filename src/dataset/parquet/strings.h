#ifndef FATHOM_SRC_DATASET_PARQUET_STRINGS_H_
#define FATHOM_SRC_DATASET_PARQUET_STRINGS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace fathom::parquet {

// The strings of one column and row group: each distinct string once, and four
// bytes a row. Most rows of a scan have none, or one of few.
class Strings {
 public:
  Strings() = default;

  // Rows that are distinct[ids[row]]; nothing can be added to them.
  Strings(std::vector<std::string> distinct, std::vector<uint32_t> ids)
      : ids_(std::move(ids)), distinct_(std::move(distinct)) {}

  // Adds a row.
  void Add(std::string_view string) {
    bytes_ += string.size();
    // What most rows are, without a look-up.
    if (!ids_.empty() && distinct_[ids_.back()] == string) {
      ids_.push_back(ids_.back());
      return;
    }
    const auto [at, fresh] = index_.try_emplace(
        std::string(string), static_cast<uint32_t>(distinct_.size()));
    if (fresh) distinct_.emplace_back(string);
    ids_.push_back(at->second);
  }

  // Rows.
  size_t size() const { return ids_.size(); }
  // Of all rows' strings.
  size_t bytes() const { return bytes_; }

  // Valid until clear(). REQUIRES: row < size().
  const std::string& operator[](size_t row) const {
    return distinct_[ids_[row]];
  }
  std::span<const std::string> distinct() const { return distinct_; }
  std::span<const uint32_t> ids() const { return ids_; }

  // Equal if the rows are.
  friend bool operator==(const Strings& a, const Strings& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

  void clear() {
    ids_.clear();
    distinct_.clear();
    index_.clear();
    bytes_ = 0;
  }

 private:
  std::vector<uint32_t> ids_;  // Of each row, where in distinct_ it is.
  std::vector<std::string> distinct_;
  absl::flat_hash_map<std::string, uint32_t> index_;
  size_t bytes_ = 0;  // Of what was added.
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_STRINGS_H_
