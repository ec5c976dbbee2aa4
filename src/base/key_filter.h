#ifndef FATHOM_SRC_BASE_KEY_FILTER_H_
#define FATHOM_SRC_BASE_KEY_FILTER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/base/hash.h"

namespace fathom {

// Remembers which keys it was given, in memory that is fixed from the start:
// two bytes for each key that it is made for. It never forgets one, but takes
// about one in 150 others for known, and more once it is overfull (a blocked
// Bloom filter: Putze, Sanders, Singler 2007; four bits in one word, so a
// look-up is one cache miss).
//
// One thread.
class KeyFilter {
 public:
  explicit KeyFilter(uint64_t keys)
      : words_(std::bit_ceil(keys < 4 ? 1 : keys / 4)) {}

  bool Has(uint64_t key) const {
    const uint64_t hash = Mix(key);
    const uint64_t bits = BitsOf(hash);
    return (words_[WordOf(hash)] & bits) == bits;
  }

  // False if it was there already.
  bool Add(uint64_t key) {
    const uint64_t hash = Mix(key);
    const uint64_t bits = BitsOf(hash);
    uint64_t& word = words_[WordOf(hash)];
    const bool added = (word & bits) != bits;
    word |= bits;
    return added;
  }

 private:
  static constexpr uint64_t BitsOf(uint64_t hash) {
    return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) |
           uint64_t{1} << (hash >> 12 & 63) | uint64_t{1} << (hash >> 18 & 63);
  }
  size_t WordOf(uint64_t hash) const {
    return static_cast<size_t>(hash >> 24) & (words_.size() - 1);
  }

  std::vector<uint64_t> words_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_KEY_FILTER_H_
