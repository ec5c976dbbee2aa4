#include "src/schedule/sampler.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "src/base/hash.h"

namespace fathom {
namespace {

constexpr uint8_t kLongest = 24;  // Of the prefixes that are sampled as one.

// The addresses in a prefix of 24 bits or more that may be chosen.
struct Usable {
  explicit Usable(uint8_t length)
      : skipped(length < 31 ? 1 : 0),
        count((uint32_t{1} << (32 - length)) - 2 * skipped) {}

  uint32_t skipped;  // At each end.
  uint32_t count;
};

// A number below `limit` from the upper half of `random`.
uint32_t Below(uint32_t limit, uint64_t random) {
  return static_cast<uint32_t>((random >> 32) * limit >> 32);
}

}  // namespace

uint64_t Sampler::CountIn(const AddressBlock& prefix) const {
  const uint8_t length = std::max(prefix.length, kLongest);
  return uint64_t{std::min(count_, Usable(length).count)}
         << (length - prefix.length);
}

void Sampler::Choose(const AddressBlock& prefix,
                     std::vector<uint32_t>& out) const {
  if (prefix.length >= kLongest) return ChooseIn(prefix, out);
  const uint32_t blocks = uint32_t{1} << (kLongest - prefix.length);
  for (uint32_t i = 0; i < blocks; ++i) {
    ChooseIn({prefix.first + (i << 8), kLongest}, out);
  }
}

void Sampler::ChooseIn(const AddressBlock& block,
                       std::vector<uint32_t>& out) const {
  const Usable usable(block.length);
  const uint32_t first = block.first + usable.skipped;
  if (count_ >= usable.count) {
    for (uint32_t i = 0; i < usable.count; ++i) out.push_back(first + i);
    return;
  }
  const uint64_t key = Derive(seed_, uint64_t{block.first} << 8 | block.length);
  if (count_ == 1) {
    out.push_back(first + Below(usable.count, Derive(key, 0)));
    return;
  }
  // The first steps of a shuffle (Fisher, Yates) of all there are, 254 at most.
  std::array<uint8_t, 256> order;
  std::iota(order.begin(), order.end(), uint8_t{0});
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t other = i + Below(usable.count - i, Derive(key, i));
    std::swap(order[i], order[other]);
    out.push_back(first + order[i]);
  }
}

}  // namespace fathom
