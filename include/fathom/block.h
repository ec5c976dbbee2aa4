#ifndef FATHOM_BLOCK_H_
#define FATHOM_BLOCK_H_

#include <bit>
#include <cstdint>

#include "fathom/address.h"

namespace fathom {

// The block of an address: what is routed as one nearly everywhere, and so
// shares a path. Its /24 in IPv4, its /64 in IPv6.

// The lowest address of the block.
constexpr IpAddress StartOfBlock(const IpAddress& address) {
  if (address.family() == Family::kIpv4) {
    return IpAddress::V4(address.v4() & ~uint32_t{255});
  }
  return IpAddress::V6(address.high(), 0);
}

// A number for the block, that no other of the family has; neighbours have
// neighbouring numbers.
constexpr uint64_t BlockNumber(const IpAddress& address) {
  return address.family() == Family::kIpv4 ? address.v4() >> 8 : address.high();
}

// How many bits at the start two addresses of one family have in common, as
// IPv4 counts them: at most 32, and of IPv6, where networks and sites have
// prefixes about twice as long, half of those in its first 64.
constexpr int SharedBits(const IpAddress& a, const IpAddress& b) {
  if (a.family() == Family::kIpv4) return std::countl_zero(a.v4() ^ b.v4());
  return std::countl_zero(a.high() ^ b.high()) / 2;
}

// A short number for an address, where memory is dear: of IPv4 its own, of IPv6
// a hash that is never 0, so that of a million addresses some hundred share one
// with another.
constexpr uint32_t ShortNumber(const IpAddress& address) {
  if (address.family() == Family::kIpv4) return address.v4();
  uint64_t x = address.high() * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 32)) * 0xbf58476d1ce4e5b9 + address.low();
  x = (x ^ (x >> 29)) * 0x94d049bb133111eb;
  const auto number = static_cast<uint32_t>(x >> 32);
  return number == 0 ? 1 : number;
}

}  // namespace fathom

#endif  // FATHOM_BLOCK_H_
