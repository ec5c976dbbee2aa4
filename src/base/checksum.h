#ifndef FATHOM_SRC_BASE_CHECKSUM_H_
#define FATHOM_SRC_BASE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <span>

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
inline uint16_t OnesSum(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) {
    sum += std::to_integer<uint32_t>(bytes[i]) << 8 |
           std::to_integer<uint32_t>(bytes[i + 1]);
  }
  if (i < bytes.size()) sum += std::to_integer<uint32_t>(bytes[i]) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

inline uint16_t InternetChecksum(std::span<const std::byte> bytes) {
  return static_cast<uint16_t>(~OnesSum(bytes));
}

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_CHECKSUM_H_
