#ifndef FATHOM_SRC_SCHEDULE_SAMPLER_H_
#define FATHOM_SRC_SCHEDULE_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "src/schedule/address_list.h"

namespace fathom {

// A Sampler chooses the addresses that stand for a prefix: some of each /24 in
// it, or of the prefix itself if it is longer. A /24 gives the same ones
// whichever prefix named it, and the first n of n + 1, so lists that overlap
// or grow choose again what they chose before.
//
// The first and last address of a prefix, which are the network's own and
// broadcast by custom, are not chosen, but for /31 and /32, which have none.
class Sampler {
 public:
  // Chooses `count` distinct addresses of each, or all where there are fewer.
  // REQUIRES: count > 0.
  Sampler(uint64_t seed, uint32_t count) : seed_(seed), count_(count) {}

  // How many addresses Choose() appends for `prefix`.
  uint64_t CountIn(const AddressBlock& prefix) const;

  void Choose(const AddressBlock& prefix, std::vector<uint32_t>& out) const;

 private:
  // REQUIRES: block.length >= 24.
  void ChooseIn(const AddressBlock& block, std::vector<uint32_t>& out) const;

  uint64_t seed_;
  uint32_t count_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_SAMPLER_H_
