#ifndef FATHOM_SRC_LAB_SCENARIO_FIELDS_H_
#define FATHOM_SRC_LAB_SCENARIO_FIELDS_H_

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "src/lab/scenario.h"
#include "src/lab/scenario_values.h"

namespace fathom::lab {

// The keys of a scenario file, in one place for reading and for printing. To
// add a behaviour, add its number to Scenario and its line to VisitFields.

inline constexpr std::array<const char*, kLevels> kLevelNames = {
    "root", "8", "12", "16", "20", "24"};

// Calls visit(field, value) for the key of each level from `first` on.
template <typename Values, typename Visit>
void VisitLevels(const Field& family, size_t first, Values& values,
                 Visit&& visit) {
  for (size_t level = first; level < kLevels; ++level) {
    Field field = family;
    absl::StrAppend(&field.name, ".", kLevelNames[level]);
    if (level > first) field.help = "";
    visit(field, values[level]);
  }
}

template <typename S, typename Visit>
void VisitRouteFields(S& s, Visit&& visit) {
  visit(Field{"seed", "All chance follows from this number."}, s.seed);
  visit(Field{"space", "Prefixes of at most 24 bits; one or more a line."},
        s.space);
  visit(Field{"source", "The address that probes are sent from."}, s.source);
  VisitLevels(Field{"bare", "Share of nodes without routers of their own."}, 1,
              s.bare, visit);
  VisitLevels(
      Field{"chain", "Routers on a path through a node of the others.", 0, 10},
      0, s.chain, visit);

  VisitLevels(
      Field{"diamonds", "Share of nodes with 3 routers or more that balance."},
      0, s.diamonds, visit);
  visit(Field{"per_destination",
              "Share of balancers that hash addresses only; others: the flow."},
        s.per_destination);
  visit(Field{"per_packet", "Share of balancers that take no heed of either."},
        s.per_packet);
  visit(Field{"meshed",
              "Share of diamonds, of those that are long enough, in which "
              "every router leads to all of the next."},
        s.meshed);
  visit(Field{"diamond_length", "Routers on each branch.", 1, 8},
        s.diamond_length);
  const char* help = "Weights of the numbers of branches.";
  for (size_t i = 0; i < kWidthClasses.size(); ++i) {
    const auto [min, max] = kWidthClasses[i];
    visit(Field{min == max ? absl::StrCat("width.", min)
                           : absl::StrCat("width.", min, "-", max),
                help, 0, 1000},
          s.widths[i]);
    help = "";
  }
}

template <typename S, typename Visit>
void VisitTunnelFields(S& s, Visit&& visit) {
  visit(Field{"tunnels",
              "Share of nodes with an MPLS tunnel, of those with room for one "
              "and no diamond."},
        s.tunnels);
  const char* help = "Weights of their kinds.";
  for (size_t i = 0; i < kTunnelKinds; ++i) {
    visit(Field{absl::StrCat("tunnel.", kTunnelNames[i]), help, 0, 1000},
          s.tunnel_kinds[i]);
    help = "";
  }
  visit(Field{"hidden_routers", "Routers that opaque and invisible ones hide.",
              1, 20},
        s.hidden_routers);
  visit(
      Field{"odd_labels",
            "Share of labels that come as before RFC 4884, without a length."},
      s.odd_labels);
}

template <typename S, typename Visit>
void VisitEndFields(S& s, Visit&& visit) {
  VisitLevels(Field{"unrouted", "Share of nodes to which no route leads."}, 1,
              s.unrouted, visit);
  visit(Field{"net_unreachable", "Share of these that say so (code 0)."},
        s.net_unreachable);
  VisitLevels(Field{"filtered", "Share of nodes behind a firewall."}, 1,
              s.filtered, visit);
  visit(Field{"prohibited", "Share of these that say so (code 13)."},
        s.prohibited);
  VisitLevels(Field{"loops", "Share of nodes that packets loop before."}, 1,
              s.loops, visit);
  visit(Field{"prohibited_net", "Shares of these with code 9, and with 10."},
        s.prohibited_net);
  visit(Field{"prohibited_host", ""}, s.prohibited_host);
  visit(Field{"hosts", "Share of addresses that answer echo requests."},
        s.hosts);
  visit(
      Field{"udp_hosts", "Share of these that answer UDP (port unreachable)."},
      s.udp_hosts);
  visit(Field{"tcp_hosts", "Share of them that answer TCP (reset)."},
        s.tcp_hosts);
  visit(Field{"open_ports", "Share of these that take connections (SYN-ACK)."},
        s.open_ports);
  visit(Field{"host_unreachable",
              "Share of absent hosts that the last router reports (code 1)."},
        s.host_unreachable);
  visit(Field{"route_changes",
              "Share of /20s that get other routers in mid-scan."},
        s.route_changes);
  visit(Field{"route_change_s", "When, in seconds after the first probe.", 0,
              1e6},
        s.route_change_s);
}

// The keys of one class of limits; `first` has the help.
template <typename Class, typename Visit>
void VisitLimitClass(const char* name, bool first, Class& limit,
                     Visit&& visit) {
  visit(Field{absl::StrCat("limit_share.", name),
              first ? "Routers that limit their replies: share, replies a "
                      "second, replies at once after a rest."
                    : ""},
        limit.share);
  visit(Field{absl::StrCat("limit_rate.", name), "", 0.001, 1e9}, limit.rate);
  visit(Field{absl::StrCat("limit_burst.", name), "", 1, 1e6}, limit.burst);
}

template <typename S, typename Visit>
void VisitMachineFields(S& s, Visit&& visit) {
  visit(Field{"silent_routers", "Share of routers that never answer."},
        s.silent_routers);
  for (size_t i = 0; i < kLimitClasses; ++i) {
    VisitLimitClass(kLimitClassNames[i], i == 0, s.limits[i], visit);
  }
  visit(Field{"long_quotes",
              "Shares of routers that quote 128 bytes, and all, of a probe; "
              "others: 8 after its IP header."},
        s.long_quotes);
  visit(Field{"full_quotes", ""}, s.full_quotes);
  visit(Field{"rewritten_targets",
              "Shares of routers that quote another target, other ports or "
              "ICMP id, another IP id, a TTL that cannot be."},
        s.rewritten_targets);
  visit(Field{"rewritten_flows", ""}, s.rewritten_flows);
  visit(Field{"rewritten_ids", ""}, s.rewritten_ids);
  visit(Field{"odd_quoted_ttls", ""}, s.odd_quoted_ttls);
  visit(Field{"router_ttl_255",
              "Shares of routers and hosts whose replies start at these TTLs; "
              "others: 64."},
        s.router_ttl_255);
  visit(Field{"router_ttl_128", ""}, s.router_ttl_128);
  visit(Field{"host_ttl_255", ""}, s.host_ttl_255);
  visit(Field{"host_ttl_128", ""}, s.host_ttl_128);
}

template <typename S, typename Visit>
void VisitTimeFields(S& s, Visit&& visit) {
  VisitLevels(
      Field{"delay_ms", "One way through a node of each level.", 0, 1000}, 0,
      s.delay_ms, visit);
  visit(Field{"host_delay_ms", "One way from the last router to a host.", 0,
              1000},
        s.host_delay_ms);
  visit(Field{"slow_hosts", "Share of hosts that take much longer."},
        s.slow_hosts);
  visit(Field{"slow_host_s", "How much, in seconds.", 0, 20}, s.slow_host_s);
  visit(Field{"jitter_ms", "A reply is at most this much later.", 0, 1000},
        s.jitter_ms);
  visit(Field{"loss", "Share of packets lost, each way."}, s.loss);
  visit(Field{"late_replies", "Share of replies that take much longer."},
        s.late_replies);
  visit(Field{"late_reply_s", "How much, in seconds.", 0, 20}, s.late_reply_s);
  visit(Field{"duplicated_replies", "Share of replies that come twice."},
        s.duplicated_replies);
  visit(Field{"truncated_replies", "Share of replies cut short."},
        s.truncated_replies);
  visit(Field{"forged_replies",
              "For each reply, errors about probes that nobody sent."},
        s.forged_replies);
  visit(Field{"garbage_replies", "For each reply, packets without sense."},
        s.garbage_replies);
  visit(Field{"line_gap_ns", "Time from probe to probe on the wire.", 0, 1e9},
        s.line_gap_ns);
}

// Calls visit(field, value) for every key, in the order of the file.
template <typename S, typename Visit>
void VisitFields(S& s, Visit&& visit) {
  VisitRouteFields(s, visit);
  VisitTunnelFields(s, visit);
  VisitEndFields(s, visit);
  VisitMachineFields(s, visit);
  VisitTimeFields(s, visit);
}

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCENARIO_FIELDS_H_
