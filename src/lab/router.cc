#include "src/lab/router.h"

#include "src/base/hash.h"
#include "src/lab/scenario.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kBehaviourSalt = 0x62656861;

// A token comes back in the time between two replies.
DelayRange TokenRange(const LimitClass& limit) {
  if (limit.share == 0) return {};
  return DelayRange({1e3 / limit.rate.max, 1e3 / limit.rate.min});
}

}  // namespace

Routers::Routers(const Scenario& scenario)
    : seed_(Derive(scenario.seed ^ kBehaviourSalt, 0)),
      silent_(scenario.silent_routers),
      long_quotes_(scenario.long_quotes),
      full_quotes_(scenario.full_quotes),
      rewritten_targets_(scenario.rewritten_targets),
      rewritten_flows_(scenario.rewritten_flows),
      rewritten_ids_(scenario.rewritten_ids),
      odd_quoted_ttls_(scenario.odd_quoted_ttls),
      initial_ttl_{Share(scenario.router_ttl_255),
                   Share(scenario.router_ttl_128)} {
  for (size_t i = 0; i < kLimitClasses; ++i) {
    limit_shares_[i] = Share(scenario.limits[i].share);
    limits_[i] = {TokenRange(scenario.limits[i]), scenario.limits[i].burst};
  }
}

Behaviour::Behaviour(const Scenario& scenario)
    : routers_(scenario),
      host_seed_(Derive(scenario.seed ^ kBehaviourSalt, 1)),
      hosts_(scenario.hosts),
      udp_hosts_(scenario.udp_hosts),
      tcp_hosts_(scenario.tcp_hosts),
      open_ports_(scenario.open_ports),
      host_ttl_{Share(scenario.host_ttl_255), Share(scenario.host_ttl_128)},
      host_delay_(scenario.host_delay_ms),
      slow_hosts_(scenario.slow_hosts),
      slow_delay_({scenario.slow_host_s.min * 500,
                   scenario.slow_host_s.max * 500}),  // Of a round trip.
      net_unreachable_(scenario.net_unreachable),
      prohibited_(scenario.prohibited),
      prohibited_net_(scenario.prohibited_net),
      prohibited_host_(scenario.prohibited_host),
      host_unreachable_(scenario.host_unreachable) {}

}  // namespace fathom::lab
