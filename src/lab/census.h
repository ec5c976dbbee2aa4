#ifndef FATHOM_SRC_LAB_CENSUS_H_
#define FATHOM_SRC_LAB_CENSUS_H_

#include <cstdint>

#include "src/lab/scenario.h"

namespace fathom::lab {

// What scans of a whole scenario would find if no reply were lost or limited:
// one address in each /24 and one flow, by the ways of FlashRoute (Huang,
// Rabinovich, Al-Dalky 2020), whose published losses the lab must show too.
struct LabCensus {
  uint64_t blocks = 0;   // /24s.
  uint64_t routers = 0;  // Interfaces of routers that answer,
  uint64_t hosts = 0;    // and hosts.
  // From TTL 16 back to the first router that is known already, and on until
  // five silent hops in a row; and the same without stopping, and with no
  // probe beyond TTL 16.
  uint64_t back_forward = 0;
  uint64_t without_stop = 0;
  uint64_t without_gap = 0;

  // The share of the interfaces that stopping, and going no farther, costs.
  double stop_loss() const { return Loss(back_forward, without_stop); }
  double gap_loss() const { return Loss(without_gap, back_forward); }

 private:
  static double Loss(uint64_t with, uint64_t without) {
    return without == 0
               ? 0.0
               : 1 - static_cast<double>(with) / static_cast<double>(without);
  }
};

// Looks at every /24 of the space: a microsecond each, and 512 MiB for each of
// four sets of addresses.
LabCensus TakeCensus(const Scenario& scenario);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_CENSUS_H_
