#ifndef FATHOM_SRC_LAB_ROUTER_H_
#define FATHOM_SRC_LAB_ROUTER_H_

#include <array>
#include <cstdint>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/scenario.h"

namespace fathom::lab {

// How the machines of the lab behave: what a router or a host does follows
// from its address. Nothing is stored; any number of threads may share one.

// What a router, or something near it, makes of the probe that it quotes.
enum class Rewrite : uint8_t {
  kNone,
  kTarget,  // Another destination.
  kFlow,    // Another source port, or ICMP id.
  kId,      // No IP id.
};

struct RouterTraits {
  bool silent;  // Never answers.
  bool limited() const { return token > Nanos(0); }
  Nanos token;      // A reply takes a token, and one comes back in this time.
  uint32_t burst;   // Tokens at most; meaningful where limited.
  uint16_t quotes;  // Bytes of a probe from its IP header on; 0: eight after.
  uint8_t initial_ttl;
  Rewrite rewrite;
  bool odd_quoted_ttl;  // Quotes a TTL that no probe could have had there.
};

struct HostTraits {
  bool present;  // Answers echo requests.
  bool udp;      // Answers UDP, with port unreachable.
  bool tcp;      // Answers TCP, with a reset;
  bool open;     // to a SYN with a SYN-ACK.
  uint8_t initial_ttl;
  Nanos delay;  // One way from the last router.
};

class Behaviour {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Behaviour(const Scenario& scenario);

  RouterTraits Router(uint32_t address) const;

  // The first of all that Router() says.
  bool IsSilent(uint32_t address) const {
    return silent_.Holds(High(Again(router_seed_, address)));
  }

  // No host answers on an address that may be a router's, since routers answer
  // nothing that is sent to them.
  HostTraits Host(uint32_t address) const;

  // Whether a refusal is told, or the probe just vanishes. `hash` is that of
  // the node refused, and `address` that of an absent host.
  bool TellsUnrouted(uint64_t hash) const {
    return net_unreachable_.Holds(High(Again(hash, kTellUnrouted)));
  }
  bool TellsFiltered(uint64_t hash) const {
    return prohibited_.Holds(High(Again(hash, kTellFiltered)));
  }
  // The ICMP code of those that tell.
  uint8_t FilteredCode(uint64_t hash) const;
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

  // Token buckets of one class.
  struct Limit {
    DelayRange token;
    Range<uint32_t> burst;
  };

  uint64_t router_seed_;
  uint64_t host_seed_;
  Share silent_;
  std::array<Share, kLimitClasses> limit_shares_;
  std::array<Limit, kLimitClasses> limits_;
  Share long_quotes_;
  Share full_quotes_;
  Share rewritten_targets_;
  Share rewritten_flows_;
  Share rewritten_ids_;
  Share odd_quoted_ttls_;
  InitialTtl router_ttl_;
  Share hosts_;
  Share udp_hosts_;
  Share tcp_hosts_;
  Share open_ports_;
  InitialTtl host_ttl_;
  DelayRange host_delay_;
  Share slow_hosts_;
  DelayRange slow_delay_;
  Share net_unreachable_;
  Share prohibited_;
  Share prohibited_net_;
  Share prohibited_host_;
  Share host_unreachable_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_ROUTER_H_
