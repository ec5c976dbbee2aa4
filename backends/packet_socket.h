#ifndef FATHOM_BACKENDS_PACKET_SOCKET_H_
#define FATHOM_BACKENDS_PACKET_SOCKET_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom {

// Sockets that receive from an interface what answers probes. Each is opened
// deaf, so that several can first agree on how to share what comes in, and is
// then told what to hear. They need CAP_NET_RAW.

// A socket on `interface` that hears nothing yet, later packets of one family
// only, and never what is sent from here.
absl::StatusOr<UniqueFd> OpenDeaf(const Interface& interface, Family family);

// Each packet goes to one of these sockets from here on, to each in its turn:
// answers come from anywhere to one address, so that nothing else about them
// would share them as evenly. All must be on the same interface, and deaf, or
// the first packets go to several.
absl::Status ShareAmong(std::span<const UniqueFd* const> sockets);

struct Answers {
  IpAddress address;  // Whom they are for; of the socket's family.
  bool tcp;           // Whether TCP may answer, too.
  size_t max_length;  // Frames are cut after so many bytes.
};

// From here on the socket hears answers to probes, to the address and to our
// MAC, without VLAN tag: ICMP or ICMPv6 echo replies, unreachables and time
// exceeded; and of TCP what refuses a connection or accepts one, RST and
// SYN+ACK, to a port from kMinAnsweredPort on (src/codec/headers.h).
//
// The message must follow the IPv6 header at once: nobody has reason to put
// extension headers into an answer.
absl::Status LetIn(const UniqueFd& socket, const Interface& interface,
                   const Answers& answers);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_PACKET_SOCKET_H_
