#ifndef FATHOM_SRC_BASE_HASH_H_
#define FATHOM_SRC_BASE_HASH_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fathom {

// Hashes: a keyed one that an outsider cannot predict, and a cheap one for
// spreading numbers.

// SipHash-2-4 (Aumasson, Bernstein 2012) of `words`, each little end first.
// What it yields proves knowledge of the key.
template <size_t kWords>
constexpr uint64_t SipHash(const std::array<uint64_t, 2>& key,
                           const std::array<uint64_t, kWords>& words) {
  uint64_t v0 = key[0] ^ 0x736f6d6570736575;
  uint64_t v1 = key[1] ^ 0x646f72616e646f6d;
  uint64_t v2 = key[0] ^ 0x6c7967656e657261;
  uint64_t v3 = key[1] ^ 0x7465646279746573;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  const auto take = [&](uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  };
  for (const uint64_t word : words) take(word);
  take(uint64_t{kWords * sizeof(uint64_t)} << 56);
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

constexpr uint64_t SipHash(const std::array<uint64_t, 2>& key, uint64_t value) {
  return SipHash(key, std::array<uint64_t, 1>{value});
}

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which
// every bit of `x` moves about half of the result's.
constexpr uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The `index`-th independent number that follows from `seed`.
constexpr uint64_t Derive(uint64_t seed, uint64_t index) {
  return Mix(Mix(seed + 0x9e3779b97f4a7c15) ^ (index + 1) * 0x9e3779b97f4a7c15);
}

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_HASH_H_
