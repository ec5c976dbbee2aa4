#ifndef FATHOM_SRC_TRACE_KERNEL_SOCKET_H_
#define FATHOM_SRC_TRACE_KERNEL_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/base/unique_fd.h"

namespace fathom {

// A socket that anybody may open, with which hops can be asked: a ping socket,
// a UDP socket or the beginning of a TCP connection, which the kernel tells of
// the ICMP errors that its packets caused (IP_RECVERR). Both families; it never
// blocks.

enum class SocketKind : uint8_t { kPing, kUdp, kTcp };

struct KernelSocketOptions {
  SocketKind kind = SocketKind::kPing;
  Family family = Family::kIpv4;
  std::optional<IpAddress> source{};
  std::string device{};  // Empty: by route.
};

// What the kernel says came in. `data` is of an error what the router quoted of
// the probe, from the ICMP header or from behind the UDP header on, and of
// anything else the message.
struct KernelAnswer {
  bool error = false;
  uint8_t icmp_type = 0;  // Of an error.
  uint8_t icmp_code = 0;
  IpAddress responder{};
  IpAddress destination{};  // Of the probe, and its port; of an error.
  uint16_t port = 0;
  uint8_t arrival_ttl = 0;
  std::optional<Nanos> realtime{};  // Of arrival, by CLOCK_REALTIME.
  std::span<const std::byte> data{};
  std::span<const std::byte> extensions{};  // Part of `data`: RFC 4884.
};

// What became of a connection. It goes no further than this.
enum class ConnectOutcome : uint8_t {
  kPending,
  kAccepted,  // SYN-ACK: the port is open.
  kReset,     // RST: it is closed.
  kFailed,    // An error, of which TakeError() tells if it came by ICMP.
};

class KernelSocket {
 public:
  // PermissionDenied: ping sockets are not for this user.
  static absl::StatusOr<KernelSocket> Open(const KernelSocketOptions& options);

  // Sends from the ICMP header on, or what follows the UDP header.
  // REQUIRES: not kTcp.
  absl::Status Send(const IpAddress& to, uint16_t port, uint8_t ttl,
                    std::span<const std::byte> bytes);

  // The next answer, errors first; nullopt if there is none now. Its spans are
  // into `buffer`.
  std::optional<KernelAnswer> Take(std::span<std::byte> buffer);

  // Sends a SYN, once for a second at least. No connection comes of it: the
  // kernel is made to wait with the last step of the handshake, and closing the
  // socket, which the caller does within 200 ms of kAccepted, sends a reset.
  // REQUIRES: kTcp, and no call before.
  absl::Status Connect(const IpAddress& to, uint16_t port, uint8_t ttl);
  ConnectOutcome Outcome() const;
  std::optional<KernelAnswer> TakeError(std::span<std::byte> buffer);

  int fd() const { return fd_.get(); }

 private:
  KernelSocket(UniqueFd fd, Family family)
      : fd_(std::move(fd)), family_(family) {}
  std::optional<KernelAnswer> Receive(int flags, std::span<std::byte> buffer);

  UniqueFd fd_;
  Family family_;
};

// The address that the kernel would send from toward `target`.
absl::StatusOr<IpAddress> SourceToward(const IpAddress& target,
                                       const std::string& device);

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_KERNEL_SOCKET_H_
