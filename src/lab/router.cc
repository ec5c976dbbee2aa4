#include "src/lab/router.h"

#include "src/lab/route.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kBehaviourSalt = 0x62656861;

}  // namespace

Behaviour::Behaviour(const Scenario& scenario)
    : router_seed_(Derive(scenario.seed ^ kBehaviourSalt, 0)),
      host_seed_(Derive(scenario.seed ^ kBehaviourSalt, 1)),
      silent_(scenario.silent_routers),
      limited_(scenario.limited_routers),
      full_quotes_(scenario.full_quotes),
      router_ttl_{Share(scenario.router_ttl_255),
                  Share(scenario.router_ttl_128)},
      hosts_(scenario.hosts),
      host_ttl_{Share(scenario.host_ttl_255), Share(scenario.host_ttl_128)},
      host_delay_(scenario.host_delay_ms),
      net_unreachable_(scenario.net_unreachable),
      prohibited_(scenario.prohibited),
      host_unreachable_(scenario.host_unreachable) {}

HostTraits Behaviour::Host(uint32_t address) const {
  const uint64_t hash = Again(host_seed_, address);
  const uint64_t more = Again(hash, 1);
  return {.answers =
              (address & 0xff) < kFirstRouterOctet && hosts_.Holds(High(hash)),
          .initial_ttl = host_ttl_.At(Low(hash)),
          .delay = host_delay_.At(High(more))};
}

}  // namespace fathom::lab
