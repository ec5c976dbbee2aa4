#ifndef FATHOM_SRC_SCHEDULE_PERMUTATION_H_
#define FATHOM_SRC_SCHEDULE_PERMUTATION_H_

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "src/base/hash.h"

namespace fathom {

// Names the order below, for manifests: a scan can be resumed or repeated only
// by a program that has the same one.
inline constexpr const char* kPermutationName = "alternating-feistel-1";

// A Permutation puts the numbers [0, size) in an order that depends on a key
// and looks random, in constant memory: the n-th number is computed from n.
//
// So a scan can stop and go on anywhere, and shards are ranges of n. It is a
// Feistel network over a x b, where a is a power of two near the square root
// of the size and b the least factor with a * b >= size: each round adds a
// keyed hash of one half to the other, modulo a or b, which can be undone and
// so is one to one. What falls outside [0, size), less than one in b, goes
// round again (cycle walking: Black and Rogaway, "Ciphers with arbitrary
// finite domains", 2002). There is no division on the way.
//
// It spreads load and hides nothing: the key is in the manifest of a scan.
//
// Thread safety: immutable.
class Permutation {
 public:
  static constexpr uint64_t kMaxSize = uint64_t{1} << 62;

  // REQUIRES: size <= kMaxSize.
  Permutation(uint64_t size, uint64_t key)
      : size_(size), shift_(size == 0 ? 0 : std::bit_width(size - 1) / 2) {
    assert(size <= kMaxSize);
    mask_ = (uint64_t{1} << shift_) - 1;
    rows_ = (size + mask_) >> shift_;
    for (size_t i = 0; i < keys_.size(); ++i) keys_[i] = Derive(key, i);
  }

  uint64_t size() const { return size_; }

  // The number at place `index`. REQUIRES: index < size().
  uint64_t operator()(uint64_t index) const {
    assert(index < size_);
    uint64_t number = Encrypt(index);
    while (number >= size_) [[unlikely]] {
        number = Encrypt(number);
      }
    return number;
  }

  // Writes the numbers at places begin, begin + 1, ... into `out`. The work
  // for several overlaps: 8 ns a step, where one that waits for another
  // takes 19. REQUIRES: begin + out.size() <= size().
  void Fill(uint64_t begin, std::span<uint64_t> out) const;

 private:
  // Three rounds on each half. With two, the statistical tests fail.
  static constexpr size_t kRoundPairs = 3;

  static constexpr uint64_t High(uint64_t a, uint64_t b) {
    return static_cast<uint64_t>(Wide{a} * b >> 64);
  }

  // A product of two numbers that both depend on `half`, its halves folded.
  // With a random multiplier in place of the second, one key in some hundreds
  // is weak.
  static constexpr uint64_t Hash(uint64_t half, uint64_t key0, uint64_t key1) {
    const Wide product = Wide{half + key0} * (half ^ key1);
    return static_cast<uint64_t>(product) ^
           static_cast<uint64_t>(product >> 64);
  }

  // A bijection of [0, a * b).
  uint64_t Encrypt(uint64_t number) const {
    uint64_t column = number & mask_;
    uint64_t row = number >> shift_;
    for (size_t i = 0; i < keys_.size(); i += 4) {
      column = (column + Hash(row, keys_[i], keys_[i + 1])) & mask_;
      // The high half of a product with `rows_` is a number below `rows_`.
      row += High(Hash(column, keys_[i + 2], keys_[i + 3]), rows_);
      row -= row >= rows_ ? rows_ : 0;
    }
    return row << shift_ | column;
  }

  __extension__ using Wide = unsigned __int128;

  uint64_t size_;
  int shift_;
  uint64_t mask_;  // a - 1
  uint64_t rows_;  // b
  std::array<uint64_t, 4 * kRoundPairs> keys_;
};

// A part of the places [0, size).
struct Slice {
  uint64_t begin;
  uint64_t end;
};

// The `shard`-th of `shards` slices of [0, size): together they hold every
// place once, and their lengths differ by at most one.
// REQUIRES: shard < shards.
Slice SliceOf(uint64_t size, uint64_t shard, uint64_t shards);

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_PERMUTATION_H_
