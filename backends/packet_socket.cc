#include "backends/packet_socket.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "src/base/status_macros.h"
#include "src/codec/headers.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// A reply of 60 bytes counts for some 800 with its bookkeeping, so this holds
// 40,000: a tenth of a second at 400,000 a second.
constexpr int kReceiveBuffer = 32 << 20;

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
  if (!SetOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter)) {
    return OptionError("SO_ATTACH_FILTER");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenReceiver(const Interface& interface,
                                      const IpAddress& address,
                                      size_t max_length) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenLinkSocket());
  const int on = 1;
  if (!SetOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) {
    return OptionError("PACKET_IGNORE_OUTGOING");
  }
  if (!SetOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, on)) {
    return OptionError("SO_TIMESTAMPNS");
  }
  SetReceiveBuffer(fd, kReceiveBuffer);
  FATHOM_RETURN_IF_ERROR(
      AttachFilter(fd, LinkHeaderSize(interface), address.v4(), max_length));
  // Last, so that nothing comes in that the filter has not seen.
  FATHOM_RETURN_IF_ERROR(BindTo(fd, interface, ETH_P_IP));
  return fd;
}

}  // namespace fathom
