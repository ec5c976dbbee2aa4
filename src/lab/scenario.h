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
#include "src/lab/shape.h"

namespace fathom::lab {

// A Scenario is all that there is to say about one synthetic internet: every
// behaviour is a named number here, and everything else follows from them and
// the seed by hashing.
//
// The file format is "key = value" lines with # comments; PrintScenario writes
// every key with its meaning. A key that is not given has the default below.
// Shares are 0 to 1. Ranges, "2-5" or "3", are drawn from evenly.

// All addresses of IPv4 that hosts may have: 14.5 million /24s.
std::vector<Prefix> UnicastSpace();

// A share for each level; nothing happens at the root, which stays 0.
using LevelShares = std::array<double, kLevels>;

// Routers that answer so many times a second, through a token bucket; a
// scenario gives each class a share and ranges.
struct LimitClass {
  double share = 0;
  Range<double> rate = {0, 0};  // Replies a second.
  Range<uint32_t> burst = {1, 1};

  friend bool operator==(const LimitClass&, const LimitClass&) = default;
};
inline constexpr std::array<const char*, kLimitClasses> kLimitClassNames = {
    "second", "tenth", "tight", "wide", "open"};

inline constexpr std::array<const char*, kTunnelKinds> kTunnelNames = {
    "explicit", "implicit", "opaque", "invisible"};

struct Scenario {
  uint64_t seed = 25;  // The routers that all paths share are ordinary ones.
  // Prefixes of at most 24 bits, apart from each other.
  std::vector<Prefix> space = UnicastSpace();
  IpAddress source = IpAddress::V4(0xc6120001);  // 198.18.0.1

  // Of the nodes of each level, those without routers of their own; and how
  // many a path crosses in a node of the others.
  std::array<double, kLevels> bare = {0, 0, 0, 0.15, 0.02, 0.969};
  std::array<Range<uint32_t>, kLevels> chain = {
      {{2, 2}, {1, 4}, {1, 5}, {0, 5}, {1, 4}, {1, 4}}};

  // Of the nodes of each level with three routers or more.
  std::array<double, kLevels> diamonds = {0, 0.85, 0.9, 0.05, 0.02, 0.6};
  double per_destination = 0.25;  // Of the balancers; the others: per flow.
  double per_packet = 0.015;      // Of the balancers.
  double meshed = 0.35;           // Of the diamonds two routers long or more.
  Range<uint32_t> diamond_length = {1, 3};  // Routers on each branch.
  std::array<double, kWidthClasses.size()> widths = {0.55, 0.12, 0.15,
                                                     0.11, 0.05, 0.02};

  // Of the nodes with room for one and no diamond, but for the root: MPLS
  // tunnels, with weights of their kinds, and the routers that hidden ones
  // hide.
  double tunnels = 1;
  std::array<double, kTunnelKinds> tunnel_kinds = {0.78, 0.14, 0.02, 0.06};
  Range<uint32_t> hidden_routers = {1, 5};
  double odd_labels = 0.3;  // Of the labels; appended as before RFC 4884.

  // Of the nodes of a level: where no route leads on, where a firewall stands,
  // and where packets bounce between the last two routers.
  LevelShares unrouted = {0, 0.04, 0.19, 0.04, 0.02, 0.02};
  LevelShares filtered = {0, 0.03, 0.29, 0.27, 0.08, 0.1};
  LevelShares loops = {0, 0, 0, 0, 0.005, 0.02};
  double net_unreachable = 0.1;  // Of the unrouted nodes; others: silence.
  double prohibited = 0.1;       // Of the firewalls; others: silence.
  double prohibited_net = 0.1;   // Of these: code 9,
  double prohibited_host = 0.1;  // code 10; others: code 13.

  double hosts = 0.46;             // Of the addresses that packets get to.
  double udp_hosts = 0.4;          // Of the hosts: they answer UDP,
  double tcp_hosts = 0.6;          // and TCP; all answer echo requests.
  double open_ports = 0.1;         // Of the tcp_hosts: SYN-ACK, not reset.
  double host_unreachable = 0.05;  // Of the absent hosts; others: silence.

  // Of the /20s with routers, those that get other ones in mid-scan, and when,
  // in seconds after the first probe.
  double route_changes = 0.02;
  Range<double> route_change_s = {0, 3600};

  double silent_routers = 0.21;
  std::array<LimitClass, kLimitClasses> limits = {
      {{.share = 0.05, .rate = {1, 1}, .burst = {1, 6}},
       {.share = 0.1, .rate = {10, 10}, .burst = {1, 10}},
       {.share = 0.25, .rate = {50, 100}, .burst = {10, 100}},
       {.share = 0.25, .rate = {250, 1000}, .burst = {50, 200}},
       {.share = 0.35, .rate = {1000, 10'000}, .burst = {200, 1000}}}};

  // Of the routers: those that quote 128 bytes, or all of a probe; others
  // quote 8 bytes after the IP header.
  double long_quotes = 0.2;
  double full_quotes = 0.15;
  // Of the routers: those behind something that changes what they quote - the
  // target, or the ports or ICMP id; those that spoil the quoted IP id; those
  // that quote a TTL that cannot be.
  double rewritten_targets = 0.0005;
  double rewritten_flows = 0.0005;
  double rewritten_ids = 0.005;
  double odd_quoted_ttls = 0.005;

  // Initial TTLs of replies; the rest starts at 64.
  double router_ttl_255 = 0.75;
  double router_ttl_128 = 0.05;
  double host_ttl_255 = 0.1;
  double host_ttl_128 = 0.3;

  // One way, over all routers of a node; the way back takes as long.
  std::array<Range<double>, kLevels> delay_ms = {
      {{0.1, 1}, {0.5, 130}, {0.5, 10}, {0.3, 5}, {0.2, 4}, {0.1, 3}}};
  Range<double> host_delay_ms = {0.2, 10};
  double slow_hosts = 0.05;  // Of the hosts; they take this much longer.
  Range<double> slow_host_s = {0.8, 4};
  double jitter_ms = 0.5;  // At most this much later, drawn for each reply.
  double loss = 0.005;     // Each way.

  // Of the replies.
  double late_replies = 0.002;  // They take this much longer.
  Range<double> late_reply_s = {1, 6};
  double duplicated_replies = 0.001;
  double truncated_replies = 0.0002;  // Cut short on their way.
  // So many come for each reply, besides: errors about probes that nobody
  // sent, and packets without sense.
  double forged_replies = 0.0005;
  double garbage_replies = 0.0005;

  uint32_t line_gap_ns = 67;  // Between probes that leave in one burst.

  friend bool operator==(const Scenario&, const Scenario&) = default;
};

// Reads a scenario; `name` is what errors call it. An error names the line,
// what is wrong there and what would be right.
absl::StatusOr<Scenario> ParseScenario(std::string_view text,
                                       std::string_view name);

// ParseScenario of the file `path`. A first line "include = FILE" takes what
// the file says for the default; it is sought beside this one.
absl::StatusOr<Scenario> ReadScenario(const std::string& path);

// All keys with their meaning. ParseScenario gives back an equal scenario.
std::string PrintScenario(const Scenario& scenario);

// What no single line can get wrong: overlapping space, shares that add up to
// more than 1, more routers than there are addresses for them. Parsing checks
// this too; code that fills in a Scenario calls it before using it.
absl::Status CheckScenario(const Scenario& scenario);

// No reply comes later than this after its probe.
Nanos MaxRoundTrip(const Scenario& scenario);

// How many routers a node of `level` has addresses for: five in each of its
// /24s, half of them where routers may change, since the later ones have
// addresses of their own. The root has those of the first prefix of the space.
uint32_t RouterSlots(const Scenario& scenario, size_t level);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCENARIO_H_
