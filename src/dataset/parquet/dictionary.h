#ifndef FATHOM_SRC_DATASET_PARQUET_DICTIONARY_H_
#define FATHOM_SRC_DATASET_PARQUET_DICTIONARY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fathom::parquet {

// Finds the distinct values of a column and numbers each value by its rank
// among them. Sorted dictionaries compress better than those in order of
// appearance, and make the bytes depend on the set alone.
//
// Values that are close together are looked up in a table by their distance
// from the least; others are hashed, which takes three times as long.
//
// Memory: 1 MB for the tables, and 4 bytes a value. For T = uint32_t and
// T = uint64_t.
class DictionaryBuilder {
 public:
  // False if there are more than kMaxDictionary distinct values; nothing may
  // be asked then. REQUIRES: `min` and `max` are those of `values`.
  template <typename T>
  bool Build(std::span<const T> values, T min, T max);

  // The distinct values, ascending.
  std::span<const uint64_t> distinct() const { return distinct_; }
  // For each value its index in distinct().
  std::span<const uint32_t> indices() const { return indices_; }

 private:
  template <typename T>
  bool NumberByTable(std::span<const T> values, T min, T max);
  template <typename T>
  bool NumberByHash(std::span<const T> values);
  void SortByValue();

  // By table: for each distance from the least value, its index in distinct_.
  // By hash: open addressing, at most half full; a slot holds one more than the
  // index in distinct_, and 0 is free.
  std::vector<uint32_t> slots_;
  std::vector<uint64_t> distinct_;
  std::vector<uint32_t> indices_;
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_DICTIONARY_H_
