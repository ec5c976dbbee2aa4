#ifndef FATHOM_BACKENDS_PACKET_SOCKET_H_
#define FATHOM_BACKENDS_PACKET_SOCKET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom {

// AF_PACKET sockets (packet(7)), one kind to send and one to receive: whole
// frames go straight to and from an interface, past the IP stack.
//
// Both need CAP_NET_RAW; without it: PermissionDenied.

// How many bytes stand before the IP header.
size_t LinkHeaderSize(const Interface& interface);

// A socket that sends whole frames over `interface` and receives nothing. Its
// buffer has room for `frames` frames under way in the device.
absl::StatusOr<UniqueFd> OpenSender(const Interface& interface, size_t frames);

// A socket that receives from `interface` what answers probes: ICMP echo
// replies, unreachables and time exceeded over IPv4, to `address` and to our
// MAC, without VLAN tag. Frames are cut after `max_length` bytes and carry the
// kernel's time stamp (SCM_TIMESTAMPNS). What is sent from here is not
// received.
absl::StatusOr<UniqueFd> OpenReceiver(const Interface& interface,
                                      const IpAddress& address,
                                      size_t max_length);

// How many packets found the receiver's buffer full since the last call. Any
// thread may ask; each packet is told once.
uint32_t TakeDrops(const UniqueFd& receiver);

// Whether an errno of such a socket means that its device is gone or down.
bool MeansDeviceGone(int error);

// The status for that: "interface veth0 is down", "... was removed"; for any
// other errno, the interface and the errno's text.
absl::Status DeviceGone(const Interface& interface, int error);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_PACKET_SOCKET_H_
