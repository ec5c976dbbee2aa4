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
  VisitLevels(
      Field{"chain", "Routers on a path through a node of each level.", 0, 10},
      0, s.chain, visit);

  visit(
      Field{"diamonds", "Share of nodes with 3 routers or more that balance."},
      s.diamonds);
  visit(Field{"per_destination",
              "Share of balancers that hash addresses only; others: the flow."},
        s.per_destination);
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
  visit(Field{"hosts", "Share of addresses that answer echo requests."},
        s.hosts);
  visit(Field{"host_unreachable",
              "Share of the others that the last router reports (code 1)."},
        s.host_unreachable);
}

template <typename S, typename Visit>
void VisitMachineFields(S& s, Visit&& visit) {
  visit(Field{"silent_routers", "Share of routers that never answer."},
        s.silent_routers);
  visit(Field{"limited_routers", "Share of routers with a token bucket."},
        s.limited_routers);
  visit(Field{"limit_rate", "Replies a second of these.", 0.001, 1e9},
        s.limit_rate);
  visit(Field{"limit_burst", "Replies of these at once, after a rest.", 1, 1e6},
        s.limit_burst);
  visit(Field{"full_quotes",
              "Share of routers that quote all of a probe; others: 8 bytes."},
        s.full_quotes);
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
  visit(Field{"jitter_ms", "A reply is at most this much later.", 0, 1000},
        s.jitter_ms);
  visit(Field{"loss", "Share of packets lost, each way."}, s.loss);
  visit(Field{"line_gap_ns", "Time from probe to probe on the wire.", 0, 1e9},
        s.line_gap_ns);
}

// Calls visit(field, value) for every key, in the order of the file.
template <typename S, typename Visit>
void VisitFields(S& s, Visit&& visit) {
  VisitRouteFields(s, visit);
  VisitEndFields(s, visit);
  VisitMachineFields(s, visit);
  VisitTimeFields(s, visit);
}

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCENARIO_FIELDS_H_
