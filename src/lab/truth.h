#ifndef FATHOM_SRC_LAB_TRUTH_H_
#define FATHOM_SRC_LAB_TRUTH_H_

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fathom/prefix.h"
#include "src/lab/router.h"
#include "src/lab/scenario.h"
#include "src/lab/topology.h"

namespace fathom::lab {

// What there is to be found: the true links and interfaces of a lab, as far as
// a scanner can see them at all. A router that never answers cannot be seen,
// and neither can its links; what rate limits and losses hide is true. Routers
// that a tunnel hides are not seen either, so its ends are linked. Where
// routers change in mid-scan, both ways are true.
//
// Addresses are IPv4 numbers in host order, for density: the truth of the
// whole Internet is tens of millions of links.

enum class LinkKind : uint8_t {
  kForward,   // From a router to the next.
  kToHost,    // From the last router to a host that answers.
  kLoopBack,  // Back to the router before, in a routing loop. A scanner that
              // cuts looping paths does not report it, and is right.
};

struct TrueLink {
  uint32_t near = 0;
  uint32_t far = 0;
  LinkKind kind = LinkKind::kForward;

  friend auto operator<=>(const TrueLink&, const TrueLink&) = default;
};

struct TrueHop {
  uint32_t address = 0;
  uint8_t distance = 0;
  bool host = false;

  friend auto operator<=>(const TrueHop&, const TrueHop&) = default;
};

// Which branches count.
enum class Sight : uint8_t {
  // Those that packets with the given keys take; all of a per-packet balancer.
  kOneFlow,
  // Those that packets between the two addresses could take: all of a
  // per-flow balancer, one of a per-destination balancer.
  kAnyFlow,
  kEverything,  // All.
};

// Keys of probes to the target, by target. For kAnyFlow only `addresses` is
// read, and kEverything reads none.
using KeysByTarget = absl::FunctionRef<FlowKeys(uint32_t target)>;

// The keys of some flow from `source` to `target`; right for kAnyFlow.
constexpr FlowKeys AddressKeys(uint32_t source, uint32_t target) {
  const uint64_t addresses = AddressKey(source, target);
  return {.flow = addresses, .addresses = addresses, .packet = addresses};
}

class Truth {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Truth(const Scenario& scenario)
      : topology_(scenario), behaviour_(scenario) {}

  // The links on the way to `target`. A link may come up more than once.
  void VisitLinks(uint32_t target, const FlowKeys& keys, Sight sight,
                  absl::FunctionRef<void(const TrueLink&)> visit) const;

  // The interfaces on the way to `target` that answer, each with its distance.
  void VisitHops(uint32_t target, const FlowKeys& keys, Sight sight,
                 absl::FunctionRef<void(const TrueHop&)> visit) const;

  // The links to all targets, ascending, each once. Takes memory for about
  // twice the result; fastest where the targets ascend.
  std::vector<TrueLink> Links(std::span<const uint32_t> targets,
                              KeysByTarget keys, Sight sight) const;

  // The addresses of the interfaces to all targets, ascending, each once.
  std::vector<uint32_t> Interfaces(std::span<const uint32_t> targets,
                                   KeysByTarget keys, Sight sight) const;

  const Topology& topology() const { return topology_; }
  const Behaviour& behaviour() const { return behaviour_; }

 private:
  bool Seen(uint32_t router) const { return !behaviour_.IsSilent(router); }
  void VisitLinksOf(const Route& route, uint32_t target, const FlowKeys& keys,
                    Sight sight,
                    absl::FunctionRef<void(const TrueLink&)> visit) const;

  const Topology topology_;
  const Behaviour behaviour_;
};

// Every /24 of the scenario's space, ascending within each of its prefixes.
void VisitSlash24s(const Scenario& scenario,
                   absl::FunctionRef<void(const Prefix&)> visit);

// How many that are.
uint64_t CountSlash24s(const Scenario& scenario);

// `count` of them, spread evenly over the space: one drawn by the scenario's
// seed from each of `count` stretches of equal length. In the same order.
// REQUIRES: count <= CountSlash24s(scenario).
void SampleSlash24s(const Scenario& scenario, uint64_t count,
                    absl::FunctionRef<void(const Prefix&)> visit);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_TRUTH_H_
