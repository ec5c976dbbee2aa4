#ifndef FATHOM_SRC_LAB_XDP_SHARED_H_
#define FATHOM_SRC_LAB_XDP_SHARED_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "src/lab/fate.h"
#include "src/lab/model.h"

namespace fathom::lab {

// What the responder in the kernel (responder.bpf.cc) and its loader
// (program.cc) have in common: the maps, byte for byte.

// All that it knows; the kernel's verifier sees these numbers as constants.
struct XdpRules {
  Model model;
  std::array<uint8_t, 8> mac;  // Of the interface, and two zeros.
  // What of the time goes into the chance of a packet: all of it, or nothing,
  // so that equal packets fare equally.
  uint64_t clock_mask;
};

// One for each processor.
struct XdpCounts {
  std::array<uint64_t, kFates> fates;
  uint64_t wrong_checksums;
  uint64_t mishaps;   // Of the probes: left to user space, and in no fate.
  uint64_t foreign;   // Frames that are no IPv4 to us; left to user space.
  uint64_t stuck;     // Replies that there was no room for.
  uint64_t first_ns;  // Of the first and last probe, on CLOCK_MONOTONIC.
  uint64_t last_ns;
};

// Tokens of one router, as in RateLimiter: the time at which its bucket is full
// again.
struct XdpBucket {
  uint64_t full;
  uint64_t router;
};

// A bucket that is full says no more than none, so its slot may be taken; as
// long as no more than these of one set are wanted at once, nothing is
// forgotten.
inline constexpr size_t kBucketSlots = 4;
struct XdpBucketSet {
  std::array<XdpBucket, kBucketSlots> slots;
};
inline constexpr uint32_t kBucketSets = 1 << 17;  // 8 MiB.

// One bit for each /24, 64 in a word: whether it is in the space.
inline constexpr uint32_t kSpaceWords = 1 << 18;  // 2 MiB.

// Probes in each millisecond since the first one; later ones are in the last.
inline constexpr uint32_t kLoadBins = 1 << 20;  // 17 minutes, 8 MiB.

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_XDP_SHARED_H_
