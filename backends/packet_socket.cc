#include "backends/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

// A reply of 60 bytes counts for some 800 with its bookkeeping, so this holds
// 40,000: a tenth of a second at 400,000 a second.
constexpr int kReceiveBuffer = 32 << 20;

// What a frame in the sender's buffer counts for, with its bookkeeping.
constexpr size_t kFrameCost = 1024;

absl::Status OptionError(const char* option) {
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("packet socket, set ", option));
}

template <typename T>
bool Set(const UniqueFd& fd, int level, int option, const T& value) {
  return setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

// Sets a buffer's size past the system's limit where that is allowed, else up
// to it. The kernel doubles what it is told.
void SetBuffer(const UniqueFd& fd, int force, int option, int bytes) {
  if (!Set(fd, SOL_SOCKET, force, bytes / 2)) {
    Set(fd, SOL_SOCKET, option, bytes / 2);
  }
}

// Bound to nothing yet, with protocol 0, so that nothing is received.
absl::StatusOr<UniqueFd> OpenSocket() {
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (fd.valid()) return fd;
  if (errno == EPERM) {
    return absl::PermissionDeniedError(
        "open packet socket: needs CAP_NET_RAW; run as root or "
        "setcap cap_net_raw,cap_net_admin+ep");
  }
  return absl::ErrnoToStatus(errno, "open packet socket");
}

absl::Status Bind(const UniqueFd& fd, const Interface& interface,
                  uint16_t protocol) {
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = interface.index;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof address) == 0) {
    return absl::OkStatus();
  }
  return DeviceGone(interface, errno);
}

// The classic BPF program that passes what OpenReceiver() promises. Jumps are
// counted from the next instruction.
absl::Status AttachFilter(const UniqueFd& fd, size_t link_header,
                          uint32_t address, size_t max_length) {
  constexpr auto kAncillary = static_cast<uint32_t>(SKF_AD_OFF);
  constexpr uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
  constexpr uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
  constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
  constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr uint16_t kIfAnySet = BPF_JMP | BPF_JSET | BPF_K;
  const auto ip = static_cast<uint32_t>(link_header);
  const auto length = static_cast<uint32_t>(max_length);
  const auto at = [ip](size_t offset) {
    return ip + static_cast<uint32_t>(offset);
  };
  std::array<sock_filter, 18> program = {{
      // The kernel has taken VLAN tags off by now, and has noted that a packet
      // of a VLAN it does not know is not for this host.
      {kLoadByte, 0, 0, kAncillary + SKF_AD_PKTTYPE},
      {kIfEqual, 0, 14, PACKET_HOST},
      {kLoadByte, 0, 0, ip},
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf0},
      {kIfEqual, 0, 11, 0x40},
      {kLoadByte, 0, 0, at(offsetof(Ipv4Header, protocol))},
      {kIfEqual, 0, 9, kProtocolIcmp},
      {kLoadWord, 0, 0, at(offsetof(Ipv4Header, destination))},
      {kIfEqual, 0, 7, address},
      // Only the first fragment has an ICMP header.
      {kLoadHalf, 0, 0, at(offsetof(Ipv4Header, flags_fragment))},
      {kIfAnySet, 5, 0, kFragmentOffsetMask},
      {BPF_LDX | BPF_B | BPF_MSH, 0, 0, ip},
      {BPF_LD | BPF_B | BPF_IND, 0, 0, ip},
      {kIfEqual, 3, 0, kIcmpEchoReply},
      {kIfEqual, 2, 0, kIcmpUnreachable},
      {kIfEqual, 1, 0, kIcmpTimeExceeded},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, length},
  }};
  const sock_fprog filter = {static_cast<uint16_t>(program.size()),
                             program.data()};
  if (!Set(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter)) {
    return OptionError("SO_ATTACH_FILTER");
  }
  return absl::OkStatus();
}

}  // namespace

size_t LinkHeaderSize(const Interface& interface) {
  return interface.link_layer == LinkLayer::kEthernet ? sizeof(EthernetHeader)
                                                      : 0;
}

absl::StatusOr<UniqueFd> OpenSender(const Interface& interface, size_t frames) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenSocket());
  // Tun and tap lose their queue with the queueing discipline.
  const int bypass = interface.driver == "tun" ? 0 : 1;
  if (!Set(fd, SOL_PACKET, PACKET_QDISC_BYPASS, bypass)) {
    return OptionError("PACKET_QDISC_BYPASS");
  }
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF,
            static_cast<int>(std::max<size_t>(frames, 256) * kFrameCost));
  FATHOM_RETURN_IF_ERROR(Bind(fd, interface, 0));
  return fd;
}

absl::StatusOr<UniqueFd> OpenReceiver(const Interface& interface,
                                      const IpAddress& address,
                                      size_t max_length) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenSocket());
  const int on = 1;
  if (!Set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) {
    return OptionError("PACKET_IGNORE_OUTGOING");
  }
  if (!Set(fd, SOL_SOCKET, SO_TIMESTAMPNS, on)) {
    return OptionError("SO_TIMESTAMPNS");
  }
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer);
  FATHOM_RETURN_IF_ERROR(
      AttachFilter(fd, LinkHeaderSize(interface), address.v4(), max_length));
  // Last, so that nothing comes in that the filter has not seen.
  FATHOM_RETURN_IF_ERROR(Bind(fd, interface, ETH_P_IP));
  return fd;
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
