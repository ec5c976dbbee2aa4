#ifndef FATHOM_SRC_TRACE_SOCKET_BACKEND_H_
#define FATHOM_SRC_TRACE_SOCKET_BACKEND_H_

#include <memory>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "src/trace/kernel_socket.h"

namespace fathom {

// A backend that needs no privilege: it sends the probes that codecs write as
// packets through sockets that anybody may open, and makes of what the kernel
// tells of answers the packets that codecs read. For tracing, not for scans:
// one lane, some thousand probes a second.
//
// The kernel writes the headers anew, so what the packet must carry for itself
// (see fathom/probe.h) is kept here instead, for the last 16,384 probes, about
// 2 MB: their number goes into the sequence of an echo request, or the port of
// a datagram. ICMP checksums stay as the codec wished, by the first word behind
// the header, so flows stay together; UDP ports do not, and flows mean nothing.
//
// TCP segments are SYNs of connections that never come to be, each from a
// socket and a port of its own, since the kernel has one connection for two
// ends: so flows mean nothing there either. At most 256 are open, the youngest.
//
// `options.toward` says the family, and the route that decides the source.
// PermissionDenied: ping sockets are not for this user.
absl::StatusOr<std::unique_ptr<Backend>> OpenSocketBackend(
    SocketKind kind, const BackendOptions& options);

// The same for kTcp, which OpenSocketBackend() calls.
absl::StatusOr<std::unique_ptr<Backend>> OpenConnectBackend(
    const BackendOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_SOCKET_BACKEND_H_
