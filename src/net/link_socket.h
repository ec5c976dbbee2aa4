#ifndef FATHOM_SRC_NET_LINK_SOCKET_H_
#define FATHOM_SRC_NET_LINK_SOCKET_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom {

// AF_PACKET sockets (packet(7)): whole frames go straight to and from an
// interface, past the IP stack. What all that send or receive so share.
//
// They need CAP_NET_RAW; without it: PermissionDenied.

// How many bytes stand before the IP header.
size_t LinkHeaderSize(const Interface& interface);

// A socket bound to nothing yet, that receives nothing.
absl::StatusOr<UniqueFd> OpenLinkSocket();

// From here on it receives what comes in over `interface` with this EtherType,
// ETH_P_ALL for everything, 0 for nothing.
absl::Status BindTo(const UniqueFd& socket, const Interface& interface,
                    uint16_t protocol);

// A socket that sends whole frames over `interface` and receives nothing. Its
// buffer has room for `frames` frames under way in the device.
absl::StatusOr<UniqueFd> OpenSender(const Interface& interface, size_t frames);

// setsockopt(2); false leaves its errno.
template <typename T>
bool SetOption(const UniqueFd& socket, int level, int option, const T& value) {
  return setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

// The status for such a failure: "packet socket, set SO_RCVBUF: ...".
absl::Status OptionError(const char* option);

// Makes the receive buffer as large as is allowed, up to `bytes`.
void SetReceiveBuffer(const UniqueFd& socket, int bytes);

// How many packets found the receiver's buffer full since the last call. Any
// thread may ask; each packet is told once.
uint32_t TakeDrops(const UniqueFd& receiver);

// Whether an errno of such a socket means that its device is gone or down.
bool MeansDeviceGone(int error);

// The status for that: "interface veth0 is down", "... was removed"; for any
// other errno, the interface and the errno's text.
absl::Status DeviceGone(const Interface& interface, int error);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_LINK_SOCKET_H_
