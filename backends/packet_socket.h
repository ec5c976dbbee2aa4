#ifndef FATHOM_BACKENDS_PACKET_SOCKET_H_
#define FATHOM_BACKENDS_PACKET_SOCKET_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom {

// A socket that receives from `interface` what answers probes: ICMP echo
// replies, unreachables and time exceeded over IPv4, to `address` and to our
// MAC, without VLAN tag. Frames are cut after `max_length` bytes and carry the
// kernel's time stamp (SCM_TIMESTAMPNS). What is sent from here is not
// received. Needs CAP_NET_RAW.
absl::StatusOr<UniqueFd> OpenReceiver(const Interface& interface,
                                      const IpAddress& address,
                                      size_t max_length);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_PACKET_SOCKET_H_
