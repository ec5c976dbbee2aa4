#ifndef FATHOM_SRC_LAB_SCENARIO_H_
#define FATHOM_SRC_LAB_SCENARIO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/prefix.h"
#include "fathom/probe.h"

namespace fathom::lab {

// A Scenario is all that there is to say about one synthetic internet: every
// behaviour is a named number here, and everything else follows from them and
// the seed by hashing.
//
// The file format is "key = value" lines with # comments; PrintScenario writes
// every key with its meaning. A key that is not given has the default below.
// Shares are 0 to 1. Ranges, "2-5" or "3", are drawn from evenly.

// The levels of the tree of prefixes: all the space, then prefixes of these
// lengths. Each node of the tree owns a stretch of every path through it.
inline constexpr size_t kLevels = 6;
inline constexpr std::array<uint8_t, kLevels> kLevelBits = {0,  8,  12,
                                                            16, 20, 24};

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

// A share for each level; nothing happens at the root, which stays 0.
using LevelShares = std::array<double, kLevels>;

struct Scenario {
  uint64_t seed = 4;
  // Prefixes of at most 24 bits, apart from each other.
  std::vector<Prefix> space = {Prefix(IpAddress::V4(0x04000000), 8)};
  IpAddress source = IpAddress::V4(0xc6120001);  // 198.18.0.1

  // Routers that a path crosses in a node of each level.
  std::array<Range<uint32_t>, kLevels> chain = {
      {{1, 2}, {1, 3}, {0, 6}, {0, 5}, {0, 4}, {0, 3}}};

  double diamonds = 0.55;         // Of the nodes with three routers or more.
  double per_destination = 0.25;  // Of the balancers; the others: per flow.
  Range<uint32_t> diamond_length = {1, 3};  // Routers on each branch.
  std::array<double, kWidthClasses.size()> widths = {0.55, 0.12, 0.15,
                                                     0.11, 0.05, 0.02};

  // Of the nodes of a level: where no route leads on, where a firewall stands,
  // and where packets bounce between the last two routers.
  LevelShares unrouted = {0, 0, 0.02, 0.03, 0.05, 0.08};
  LevelShares filtered = {0, 0, 0.05, 0.15, 0.25, 0.25};
  LevelShares loops = {0, 0, 0, 0, 0.005, 0.02};
  double net_unreachable = 0.1;  // Of the unrouted nodes; others: silence.
  double prohibited = 0.1;       // Of the firewalls; others: silence.

  double hosts = 0.25;             // Of the addresses that packets get to.
  double host_unreachable = 0.05;  // Of the absent hosts; others: silence.

  double silent_routers = 0.2;
  double limited_routers = 0.3;
  double limit_rate = 250;  // Replies a second.
  uint32_t limit_burst = 50;
  double full_quotes = 0.35;  // Of the routers; others quote 8 bytes.

  // Initial TTLs of replies; the rest starts at 64.
  double router_ttl_255 = 0.75;
  double router_ttl_128 = 0.05;
  double host_ttl_255 = 0.1;
  double host_ttl_128 = 0.3;

  // One way, over all routers of a node; the way back takes as long.
  std::array<Range<double>, kLevels> delay_ms = {
      {{0.1, 1}, {2, 30}, {2, 60}, {1, 40}, {0.5, 20}, {0.2, 8}}};
  Range<double> host_delay_ms = {0.2, 10};
  double jitter_ms = 0.5;  // At most this much later, drawn for each reply.
  double loss = 0.005;     // Each way.

  uint32_t line_gap_ns = 67;  // Between probes that leave in one burst.

  friend bool operator==(const Scenario&, const Scenario&) = default;
};

// Reads a scenario; `name` is what errors call it. An error names the line,
// what is wrong there and what would be right.
absl::StatusOr<Scenario> ParseScenario(std::string_view text,
                                       std::string_view name);

// ParseScenario of the file `path`.
absl::StatusOr<Scenario> ReadScenario(const std::string& path);

// All keys with their meaning. ParseScenario gives back an equal scenario.
std::string PrintScenario(const Scenario& scenario);

// What no single line can get wrong: overlapping space, shares that add up to
// more than 1, more routers than there are addresses for them. Parsing checks
// this too; code that fills in a Scenario calls it before using it.
absl::Status CheckScenario(const Scenario& scenario);

// No reply comes later than this after its probe.
Nanos MaxRoundTrip(const Scenario& scenario);

// One bounce in a routing loop takes this long.
inline constexpr Nanos kLoopHop{1'000'000};

// How many routers a node of `level` has addresses for: five in each of its
// /24s. The root has those of the first prefix of the space.
uint32_t RouterSlots(const Scenario& scenario, size_t level);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCENARIO_H_
