#ifndef FATHOM_SRC_BASE_CHECKSUM_H_
#define FATHOM_SRC_BASE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/base/bytes.h"

namespace fathom {

// The Internet checksum (RFC 1071): sums of 16-bit words in ones' complement.

// Adds in ones' complement: the carry comes back in at the bottom.
constexpr uint16_t OnesAdd(uint16_t a, uint16_t b) {
  const uint32_t sum = uint32_t{a} + b;
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// a - b in ones' complement.
constexpr uint16_t OnesSubtract(uint16_t a, uint16_t b) {
  return OnesAdd(a, static_cast<uint16_t>(~b));
}

// The ones' complement sum of `bytes` as big-endian words; an odd last byte
// counts as the high half of a word. The checksum is its complement.
//
// Words are added in the order of memory, four at a time, and turned around
// once at the end: the sum does not depend on the byte order (RFC 1071,
// section 2).
inline uint16_t OnesSum(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (; bytes.size() >= sizeof(uint64_t);
       bytes = bytes.subspan(sizeof(uint64_t))) {
    const auto word = Load<uint64_t>(bytes);
    sum += word;
    sum += sum < word ? 1 : 0;
  }
  // What is left, piece by piece: a copy of unknown length would be a call.
  uint64_t rest = 0;
  if ((bytes.size() & 4) != 0) {
    rest = Load<uint32_t>(bytes);
    bytes = bytes.subspan(4);
  }
  if ((bytes.size() & 2) != 0) {
    rest += Load<uint16_t>(bytes);
    bytes = bytes.subspan(2);
  }
  if (!bytes.empty()) rest += std::to_integer<uint64_t>(bytes[0]);
  sum += rest;
  sum += sum < rest ? 1 : 0;
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum << 8 | sum >> 8);
}

inline uint16_t InternetChecksum(std::span<const std::byte> bytes) {
  return static_cast<uint16_t>(~OnesSum(bytes));
}

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_CHECKSUM_H_
