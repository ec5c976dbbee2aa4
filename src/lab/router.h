#ifndef FATHOM_SRC_LAB_ROUTER_H_
#define FATHOM_SRC_LAB_ROUTER_H_

#include <cstdint>

#include "fathom/probe.h"
#include "src/codec/headers.h"
#include "src/lab/chance.h"
#include "src/lab/route.h"
#include "src/lab/router_traits.h"

namespace fathom::lab {

// How the machines of the lab behave: what a router or a host does follows
// from its address. Nothing is stored; any number of threads may share one.
//
// Plain numbers and inline functions, so that it also runs in the kernel.

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

  RouterTraits Router(uint32_t address) const { return routers_.At(address); }

  // The first of all that Router() says.
  bool IsSilent(uint32_t address) const { return routers_.IsSilent(address); }

  // No host answers on an address that may be a router's, since routers answer
  // nothing that is sent to them.
  HostTraits Host(uint32_t address) const {
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

  // Whether a refusal is told, or the probe just vanishes. `hash` is that of
  // the node refused, and `address` that of an absent host.
  bool TellsUnrouted(uint64_t hash) const {
    return net_unreachable_.Holds(High(Again(hash, kTellUnrouted)));
  }
  bool TellsFiltered(uint64_t hash) const {
    return prohibited_.Holds(High(Again(hash, kTellFiltered)));
  }
  // The ICMP code of those that tell.
  uint8_t FilteredCode(uint64_t hash) const {
    const uint32_t draw = Low(Again(hash, kTellFiltered));
    if (prohibited_net_.Holds(draw)) return kIcmpNetProhibited;
    return prohibited_host_.Holds(prohibited_net_.Rest(draw))
               ? kIcmpHostProhibited
               : kIcmpProhibited;
  }
  bool TellsAbsent(uint32_t address) const {
    return host_unreachable_.Holds(
        High(Again(host_seed_ ^ kTellAbsent << 32, address)));
  }

 private:
  // What the draws from a host's hash are for, beside the hash itself.
  enum HostDraw : uint64_t { kHostDelay = 4, kPorts };

  // Apart from the draws that the topology makes from the same hash.
  enum : uint64_t { kTellUnrouted = 101, kTellFiltered, kTellAbsent };

  Routers routers_;
  uint64_t host_seed_;
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
