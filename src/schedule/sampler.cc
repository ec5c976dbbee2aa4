#include "src/schedule/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
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

// Of an IPv6 prefix that has `bits` bits for hosts.
uint64_t HostsIn(int bits) {
  return bits < 60 ? uint64_t{1} << bits : uint64_t{1} << 60;
}

// `first` and `index` units of this length further.
IpAddress UnitAt(const IpAddress& first, uint64_t index, uint8_t length) {
  const int shift = 128 - length;
  if (shift >= 64) {
    return IpAddress::V6(
        first.high() + (shift == 128 ? 0 : index << (shift - 64)), first.low());
  }
  const uint64_t high = shift == 0 ? 0 : index >> (64 - shift);
  return IpAddress::V6(first.high() + high, first.low() + (index << shift));
}

}  // namespace

uint8_t Sampler::UnitIn(uint8_t length) const {
  uint8_t unit = options_.granularity;
  if (unit == 0) unit = length < 48 ? 48 : 64;
  return std::max(unit, length);
}

uint64_t Sampler::CountIn(const AddressBlock& prefix) const {
  if (prefix.first.family() == Family::kIpv4) {
    const uint8_t length = std::max(prefix.length, kLongest);
    return uint64_t{std::min(options_.count, Usable(length).count)}
           << (length - prefix.length);
  }
  const uint8_t unit = UnitIn(prefix.length);
  const uint64_t each = std::min<uint64_t>(options_.count, HostsIn(128 - unit));
  const int bits = unit - prefix.length;
  const int room = std::countl_zero(each) - 3;  // Below 2^61.
  return bits >= room ? uint64_t{1} << 60 : each << bits;
}

void Sampler::Choose(const AddressBlock& prefix,
                     std::vector<uint32_t>& out) const {
  const uint32_t start = prefix.first.v4();
  if (prefix.length >= kLongest) return ChooseIn(start, prefix.length, out);
  const uint32_t units = uint32_t{1} << (kLongest - prefix.length);
  for (uint32_t i = 0; i < units; ++i)
    ChooseIn(start + (i << 8), kLongest, out);
}

void Sampler::ChooseIn(uint32_t block, uint8_t length,
                       std::vector<uint32_t>& out) const {
  const Usable usable(length);
  const uint32_t count = options_.count;
  const uint32_t first = block + usable.skipped;
  if (count >= usable.count) {
    for (uint32_t i = 0; i < usable.count; ++i) out.push_back(first + i);
    return;
  }
  const uint64_t key = Derive(options_.seed, uint64_t{block} << 8 | length);
  if (count == 1) {
    out.push_back(first + Below(usable.count, Derive(key, 0)));
    return;
  }
  // The first steps of a shuffle (Fisher, Yates) of all there are, 254 at most.
  std::array<uint8_t, 256> order;
  std::iota(order.begin(), order.end(), uint8_t{0});
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t other = i + Below(usable.count - i, Derive(key, i));
    std::swap(order[i], order[other]);
    out.push_back(first + order[i]);
  }
}

void Sampler::Choose(const AddressBlock& prefix,
                     std::vector<IpAddress>& out) const {
  const uint8_t unit = UnitIn(prefix.length);
  const uint64_t units = uint64_t{1} << (unit - prefix.length);
  for (uint64_t i = 0; i < units; ++i) {
    ChooseIn(Prefix(UnitAt(prefix.first, i, unit), unit), out);
  }
}

// The hosts chosen are start, start + step, ... modulo the number of them, with
// an odd step: no two are equal, whatever that power of two.
void Sampler::ChooseIn(const Prefix& unit, std::vector<IpAddress>& out) const {
  const IpAddress first = unit.first();
  const IpAddress last = unit.last();
  const uint64_t key =
      Derive(Derive(options_.seed, first.high()), first.low() ^ unit.length());
  const uint64_t start = Derive(key, 0);
  const uint64_t step = Derive(key, 1) | 1;
  const uint64_t count =
      std::min<uint64_t>(options_.count, HostsIn(128 - unit.length()));
  const uint64_t low_mask = first.low() ^ last.low();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t high = Derive(key, 2 + i) & (first.high() ^ last.high());
    const uint64_t low = (start + i * step) & low_mask;
    IpAddress chosen = IpAddress::V6(first.high() | high, first.low() | low);
    // Within ::/64 one in 2^32 would be IPv4.
    if (chosen.family() == Family::kIpv4) {
      chosen = IpAddress::V6(chosen.high(), chosen.low() ^ low_mask);
    }
    out.push_back(chosen);
  }
}

}  // namespace fathom
