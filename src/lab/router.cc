#include "src/lab/router.h"

#include <limits>

#include "src/codec/headers.h"
#include "src/lab/route.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kBehaviourSalt = 0x62656861;
constexpr uint16_t kLongQuote = 128;

// What the draws from a machine's hash are for, beside the hash itself.
enum MachineDraw : uint64_t {
  kQuote = 1,
  kOddity,
  kBucket,
  kHostDelay,
  kPorts
};

// A token comes back in the time between two replies.
DelayRange TokenRange(const LimitClass& limit) {
  if (limit.share == 0) return {};
  return DelayRange({1e3 / limit.rate.max, 1e3 / limit.rate.min});
}

}  // namespace

Behaviour::Behaviour(const Scenario& scenario)
    : router_seed_(Derive(scenario.seed ^ kBehaviourSalt, 0)),
      host_seed_(Derive(scenario.seed ^ kBehaviourSalt, 1)),
      silent_(scenario.silent_routers),
      long_quotes_(scenario.long_quotes),
      full_quotes_(scenario.full_quotes),
      rewritten_targets_(scenario.rewritten_targets),
      rewritten_flows_(scenario.rewritten_flows),
      rewritten_ids_(scenario.rewritten_ids),
      odd_quoted_ttls_(scenario.odd_quoted_ttls),
      router_ttl_{Share(scenario.router_ttl_255),
                  Share(scenario.router_ttl_128)},
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
      host_unreachable_(scenario.host_unreachable) {
  for (size_t i = 0; i < kLimitClasses; ++i) {
    limit_shares_[i] = Share(scenario.limits[i].share);
    limits_[i] = {TokenRange(scenario.limits[i]), scenario.limits[i].burst};
  }
}

RouterTraits Behaviour::Router(uint32_t address) const {
  const uint64_t hash = Again(router_seed_, address);
  RouterTraits router{};
  router.silent = silent_.Holds(High(hash));
  if (router.silent) return router;

  uint32_t draw = Low(hash);
  for (size_t i = 0; i < kLimitClasses; ++i) {
    if (limit_shares_[i].Holds(draw)) {
      const uint64_t bucket = Again(hash, kBucket);
      router.token = limits_[i].token.At(High(bucket));
      router.burst = Between(limits_[i].burst, Low(bucket));
      break;
    }
    draw = limit_shares_[i].Rest(draw);
  }

  const uint64_t quote = Again(hash, kQuote);
  draw = High(quote);
  if (long_quotes_.Holds(draw)) {
    router.quotes = kLongQuote;
  } else if (full_quotes_.Holds(long_quotes_.Rest(draw))) {
    router.quotes = std::numeric_limits<uint16_t>::max();
  }
  router.initial_ttl = router_ttl_.At(Low(quote));

  const uint64_t oddity = Again(hash, kOddity);
  router.odd_quoted_ttl = odd_quoted_ttls_.Holds(High(oddity));
  draw = Low(oddity);
  if (rewritten_targets_.Holds(draw)) {
    router.rewrite = Rewrite::kTarget;
  } else if (draw = rewritten_targets_.Rest(draw);
             rewritten_flows_.Holds(draw)) {
    router.rewrite = Rewrite::kFlow;
  } else if (rewritten_ids_.Holds(rewritten_flows_.Rest(draw))) {
    router.rewrite = Rewrite::kId;
  }
  return router;
}

HostTraits Behaviour::Host(uint32_t address) const {
  HostTraits host{};
  if ((address & 0xff) >= kFirstRouterOctet) return host;
  const uint64_t hash = Again(host_seed_, address);
  const uint64_t more = Again(hash, kHostDelay);
  const uint64_t ports = Again(hash, kPorts);
  host.present = hosts_.Holds(High(hash));
  if (!host.present) return host;
  host.udp = udp_hosts_.Holds(High(ports));
  host.tcp = tcp_hosts_.Holds(Low(ports));
  host.open = open_ports_.Holds(Low(Again(ports, kPorts)));
  host.initial_ttl = host_ttl_.At(Low(hash));
  host.delay = host_delay_.At(High(more));
  if (slow_hosts_.Holds(Low(more))) {
    host.delay += slow_delay_.At(High(Again(more, kHostDelay)));
  }
  return host;
}

uint8_t Behaviour::FilteredCode(uint64_t hash) const {
  const uint32_t draw = Low(Again(hash, kTellFiltered));
  if (prohibited_net_.Holds(draw)) return kIcmpNetProhibited;
  return prohibited_host_.Holds(prohibited_net_.Rest(draw))
             ? kIcmpHostProhibited
             : kIcmpProhibited;
}

}  // namespace fathom::lab
