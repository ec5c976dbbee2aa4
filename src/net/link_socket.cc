#include "src/net/link_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// What a frame in the sender's buffer counts for, with its bookkeeping.
constexpr size_t kFrameCost = 1024;

// Sets a buffer's size past the system's limit where that is allowed, else up
// to it. The kernel doubles what it is told.
void SetBuffer(const UniqueFd& socket, int force, int option, int bytes) {
  if (!SetOption(socket, SOL_SOCKET, force, bytes / 2)) {
    SetOption(socket, SOL_SOCKET, option, bytes / 2);
  }
}

}  // namespace

size_t LinkHeaderSize(const Interface& interface) {
  return interface.link_layer == LinkLayer::kEthernet ? ETH_HLEN : 0;
}

absl::StatusOr<UniqueFd> OpenLinkSocket() {
  // Protocol 0, so that nothing is received.
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (fd.valid()) return fd;
  if (errno == EPERM) {
    return absl::PermissionDeniedError(
        "open packet socket: needs CAP_NET_RAW; run as root or "
        "setcap cap_net_raw,cap_net_admin+ep");
  }
  return absl::ErrnoToStatus(errno, "open packet socket");
}

absl::Status BindTo(const UniqueFd& socket, const Interface& interface,
                    uint16_t protocol) {
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = interface.index;
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof address) == 0) {
    return absl::OkStatus();
  }
  return DeviceGone(interface, errno);
}

absl::StatusOr<UniqueFd> OpenSender(const Interface& interface, size_t frames) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenLinkSocket());
  // Tun and tap lose their queue with the queueing discipline.
  const int bypass = interface.driver == "tun" ? 0 : 1;
  if (!SetOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, bypass)) {
    return OptionError("PACKET_QDISC_BYPASS");
  }
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF,
            static_cast<int>(std::max<size_t>(frames, 256) * kFrameCost));
  FATHOM_RETURN_IF_ERROR(BindTo(fd, interface, 0));
  return fd;
}

absl::Status OptionError(const char* option) {
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("packet socket, set ", option));
}

void SetReceiveBuffer(const UniqueFd& socket, int bytes) {
  SetBuffer(socket, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

uint32_t TakeDrops(const UniqueFd& receiver) {
  // Reading sets the kernel's count back to zero.
  tpacket_stats counts = {};
  socklen_t size = sizeof counts;
  if (getsockopt(receiver.get(), SOL_PACKET, PACKET_STATISTICS, &counts,
                 &size) != 0) {
    return 0;
  }
  return counts.tp_drops;
}

bool MeansDeviceGone(int error) {
  return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

absl::Status DeviceGone(const Interface& interface, int error) {
  const std::string name = absl::StrCat("interface ", interface.name);
  if (error == ENETDOWN) return absl::UnavailableError(name + " is down");
  if (error == ENXIO || error == ENODEV) {
    return absl::UnavailableError(name + " was removed");
  }
  return absl::ErrnoToStatus(error, name);
}

}  // namespace fathom
