#ifndef FATHOM_SRC_LAB_ROUTER_H_
#define FATHOM_SRC_LAB_ROUTER_H_

#include <cstdint>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/scenario.h"

namespace fathom::lab {

// How the machines of the lab behave: what a router or a host does follows
// from its address. Nothing is stored; any number of threads may share one.

struct RouterTraits {
  bool silent;      // Never answers.
  bool limited;     // Answers through a token bucket.
  bool quotes_all;  // Quotes all of a probe, not only 8 bytes.
  uint8_t initial_ttl;
};

struct HostTraits {
  bool answers;  // Echo requests.
  uint8_t initial_ttl;
  Nanos delay;  // One way from the last router.
};

class Behaviour {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Behaviour(const Scenario& scenario);

  RouterTraits Router(uint32_t address) const {
    const uint64_t hash = Again(router_seed_, address);
    const uint64_t more = Again(hash, 1);
    return {.silent = silent_.Holds(High(hash)),
            .limited = limited_.Holds(Low(hash)),
            .quotes_all = full_quotes_.Holds(High(more)),
            .initial_ttl = router_ttl_.At(Low(more))};
  }

  // No host answers on an address that may be a router's, since routers do
  // not answer echo requests.
  HostTraits Host(uint32_t address) const;

  // Whether a refusal is told, or the probe just vanishes. `hash` is that of
  // the node refused, and `address` that of an absent host.
  bool TellsUnrouted(uint64_t hash) const {
    return net_unreachable_.Holds(High(Again(hash, kTellUnrouted)));
  }
  bool TellsFiltered(uint64_t hash) const {
    return prohibited_.Holds(High(Again(hash, kTellFiltered)));
  }
  bool TellsAbsent(uint32_t address) const {
    return host_unreachable_.Holds(
        High(Again(host_seed_ ^ kTellAbsent << 32, address)));
  }

 private:
  // Apart from the draws that the topology makes from the same hash.
  enum : uint64_t { kTellUnrouted = 101, kTellFiltered, kTellAbsent };

  // The TTL that replies start with.
  struct InitialTtl {
    Share ttl_255;
    Share ttl_128;

    uint8_t At(uint32_t draw) const {
      if (ttl_255.Holds(draw)) return 255;
      return ttl_128.Holds(ttl_255.Rest(draw)) ? 128 : 64;
    }
  };

  uint64_t router_seed_;
  uint64_t host_seed_;
  Share silent_;
  Share limited_;
  Share full_quotes_;
  InitialTtl router_ttl_;
  Share hosts_;
  InitialTtl host_ttl_;
  DelayRange host_delay_;
  Share net_unreachable_;
  Share prohibited_;
  Share host_unreachable_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_ROUTER_H_
