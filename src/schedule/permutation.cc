#include "src/schedule/permutation.h"

namespace fathom {

void Permutation::Fill(uint64_t begin, std::span<uint64_t> out) const {
  assert(begin <= size_ && out.size() <= size_ - begin);
  for (size_t i = 0; i < out.size(); ++i) out[i] = Encrypt(begin + i);
  // Walking is rare, so it has a loop of its own and leaves the other straight.
  for (uint64_t& number : out) {
    while (number >= size_) [[unlikely]] {
        number = Encrypt(number);
      }
  }
}

Slice SliceOf(uint64_t size, uint64_t shard, uint64_t shards) {
  assert(shard < shards);
  // The first size % shards slices are one longer. No product overflows.
  const uint64_t length = size / shards;
  const uint64_t longer = size % shards;
  const uint64_t begin = length * shard + (shard < longer ? shard : longer);
  return {begin, begin + length + (shard < longer ? 1 : 0)};
}

}  // namespace fathom
