#ifndef FATHOM_SRC_LAB_SHAPE_H_
#define FATHOM_SRC_LAB_SHAPE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "fathom/probe.h"

namespace fathom::lab {

// What no scenario can change. Like all headers that the model of the lab is
// made of, this one needs nothing but the language, so that the model can run
// inside the kernel too: see responder.bpf.cc.

// The levels of the tree of prefixes: all the space, then prefixes of these
// lengths. Each node of the tree owns a stretch of every path through it.
inline constexpr size_t kLevels = 6;
inline constexpr std::array<uint8_t, kLevels> kLevelBits = {0,  8,  12,
                                                            16, 20, 24};

// The nodes of this level may change their routers in mid-scan.
inline constexpr size_t kChangingLevel = 4;

// Both ends included.
template <typename T>
struct Range {
  T min;
  T max;

  friend bool operator==(const Range&, const Range&) = default;
};

// Balancers by their number of branches; a scenario gives each class a weight.
inline constexpr std::array<Range<uint32_t>, 6> kWidthClasses = {
    {{2, 2}, {3, 3}, {4, 4}, {5, 8}, {9, 16}, {17, 96}}};

// Routers by how many replies they allow themselves.
inline constexpr size_t kLimitClasses = 5;

// The ways in which MPLS tunnels show (Donnet et al. 2012). In the first two
// every router of the tunnel takes one off the TTL, in the others none does.
inline constexpr size_t kTunnelKinds = 4;

// One bounce in a routing loop takes this long.
inline constexpr Nanos kLoopHop{1'000'000};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SHAPE_H_
