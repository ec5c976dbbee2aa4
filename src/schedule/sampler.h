#ifndef FATHOM_SRC_SCHEDULE_SAMPLER_H_
#define FATHOM_SRC_SCHEDULE_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "fathom/address.h"
#include "fathom/prefix.h"
#include "src/schedule/address_list.h"

namespace fathom {

// A Sampler chooses the addresses that stand for a prefix: some of each unit in
// it, or of the prefix itself if it is longer. A unit gives the same ones
// whichever prefix named it, and the first n of n + 1, so lists that overlap
// or grow choose again what they chose before.
//
// The unit is a /24 of IPv4. Of IPv6 it is what the granularity says, or a /48
// in what is shorter than that and a /64 in all else: a site's prefix as it is
// announced to the world, and a subnet's.
//
// The first and last address of an IPv4 prefix, which are the network's own and
// broadcast by custom, are not chosen, but for /31 and /32, which have none.
class Sampler {
 public:
  struct Options {
    uint64_t seed = 0;
    // Chooses so many distinct addresses of each unit, or all where there are
    // fewer. REQUIRES: not 0.
    uint32_t count = 1;
    // The unit's length in IPv6; 0 as said above. REQUIRES: at most 128.
    uint8_t granularity = 0;
  };

  explicit Sampler(const Options& options) : options_(options) {}

  // How many addresses Choose() appends for `prefix`; at least 2^60 where it is
  // more than anybody can hold.
  uint64_t CountIn(const AddressBlock& prefix) const;

  // REQUIRES: an IPv4 prefix.
  void Choose(const AddressBlock& prefix, std::vector<uint32_t>& out) const;

  // REQUIRES: an IPv6 prefix.
  void Choose(const AddressBlock& prefix, std::vector<IpAddress>& out) const;

 private:
  // REQUIRES: length >= 24.
  void ChooseIn(uint32_t first, uint8_t length,
                std::vector<uint32_t>& out) const;
  void ChooseIn(const Prefix& unit, std::vector<IpAddress>& out) const;
  // How long what is sampled as one is in this IPv6 prefix.
  uint8_t UnitIn(uint8_t length) const;

  Options options_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_SAMPLER_H_
