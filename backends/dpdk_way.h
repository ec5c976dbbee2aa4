#ifndef FATHOM_BACKENDS_DPDK_WAY_H_
#define FATHOM_BACKENDS_DPDK_WAY_H_

#include "absl/status/statusor.h"
#include "backends/dpdk_port.h"
#include "fathom/packet_io.h"
#include "src/net/neighbor.h"

namespace fathom {

// The way out through a port of DPDK. Where the kernel has the interface too
// (net_af_packet), it is asked. A card that DPDK has for itself has no address
// but the one that the options give, and the MAC of the gateway is asked for
// on the wire, through the port's first lane, unless it is given.
//
// InvalidArgument: what must be given. NotFound: the gateway does not answer.
absl::StatusOr<WayOut> FindDpdkWay(const DpdkPort& port,
                                   const BackendOptions& options);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_WAY_H_
