#ifndef FATHOM_STRATEGY_H_
#define FATHOM_STRATEGY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "fathom/targets.h"

namespace fathom {

// A Strategy decides which probe comes next, and learns from what came back.
//
// The engine pulls: it asks for probes only when the pacer and the backend
// have room for them, so a strategy holds no queue of probes waiting to leave
// and never sleeps. It runs on one thread and needs no locks.
//
// Three shapes, one interface:
//   * stateless sweep    Next() walks a permutation; Observe() ignores all.
//   * back and forward   Observe() moves per-target state; Next() round-robins
//                        over the targets that still have somewhere to go.
//   * multipath          Observe() counts next hops per flow; Next() asks for
//                        more flows until the hop's width is certain enough.
//
// To add a strategy, write src/strategy/<name>.cc, register it in its last
// line (see fathom/registry.h) and name the file in meson.build.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // Writes the next probes into `out` and returns how many. None, while not
  // done(), means: nothing to send before replies arrive or time passes.
  virtual size_t Next(Instant now, std::span<Probe> out) = 0;

  // Tells of replies, in order of arrival. Some never come; some come twice.
  virtual void Observe(std::span<const Reply> replies) = 0;

  // False if it has no use for replies. Then it is told of none.
  virtual bool observes() const { return true; }

  // True once Next() will never again write a probe.
  virtual bool done() const = 0;

  // How many probes it means to send in all, as far as it can tell now.
  virtual uint64_t planned() const = 0;
};

struct StrategyOptions {
  Ttl min_ttl{1};
  Ttl max_ttl{32};
  uint64_t seed = 0;
  uint8_t probes = 1;  // To each target and TTL, where all are probed.
  // What sweep leaves off or adds, each 0 for not: see adaptive_sweep.cc.
  Ttl fill{0};              // Go on beyond max_ttl to here, if routers answer.
  Ttl neighborhood{0};      // Below this, leave off what brings nothing new.
  uint64_t router_pps = 0;  // The most that a router near us is to be asked.
  // Where balancers are enumerated: with what probability none of one's next
  // hops shall be missed, and how many probes may go to a target's /24.
  double confidence = 0.95;
  uint32_t prefix_probes = 1000;
  // Where it is learnt what a probe brings: the least news, in answers, routers
  // or links, that is worth one.
  double min_yield = 0.01;
  // Whether an address may be probed though it is no target: another one of a
  // target's /24, by strategies that vary the address. Empty: none may.
  std::function<bool(const IpAddress&)> allowed{};
};

struct StrategyModule {
  const char* name;
  const char* help;
  // `targets` must outlive the strategy: the lane's share, all of it.
  absl::StatusOr<std::unique_ptr<Strategy>> (*make)(const TargetSet& targets,
                                                    const StrategyOptions&);
  uint16_t flows = 1;  // How many flow numbers it uses, from 0.
  // How often it may send one probe, where the options ask for one: to tell
  // lost replies from silence, or balancers that go by the packet.
  uint8_t repeats = 1;
};

}  // namespace fathom

#endif  // FATHOM_STRATEGY_H_
