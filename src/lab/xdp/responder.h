#ifndef FATHOM_SRC_LAB_XDP_RESPONDER_H_
#define FATHOM_SRC_LAB_XDP_RESPONDER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "src/lab/responder.h"
#include "src/lab/scenario.h"

namespace fathom::lab {

// A responder that answers in the driver, ten times as fast as one by sockets;
// it needs CAP_BPF and CAP_NET_ADMIN too. It answers at once: it plays no
// delays. All else is the model's, as everywhere.
//
// Probes whose answers have a mishap - late, double, cut short, forged or
// garbage with them - and ARP requests go up to a responder by sockets that
// runs beside it, on what Residue() leaves of the scenario.
//
// Unimplemented where it was not built in. REQUIRES: CheckScenario(scenario) is
// OK.
absl::StatusOr<std::unique_ptr<Responder>> OpenXdpResponder(
    const Scenario& scenario, const ResponderOptions& options);

// The internet as user space sees it behind the kernel: each probe that comes
// has had its luck, its token and its loss, and what is left is the mishap. So
// there are no limits and no losses, and mishaps always, in their shares.
Scenario Residue(const Scenario& scenario);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_XDP_RESPONDER_H_
