#include "backends/packet_socket.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "src/base/status_macros.h"
#include "src/codec/headers.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// Linux has it since 5.15, the headers of Debian 12 not yet.
constexpr uint16_t kFanoutIgnoresOutgoing = 0x4000;

absl::Status Attach(const UniqueFd& socket, std::span<sock_filter> program) {
  const sock_fprog filter = {static_cast<uint16_t>(program.size()),
                             program.data()};
  if (SetOption(socket, SOL_SOCKET, SO_ATTACH_FILTER, filter)) {
    return absl::OkStatus();
  }
  return OptionError("SO_ATTACH_FILTER");
}

}  // namespace

absl::StatusOr<UniqueFd> OpenDeaf(const Interface& interface) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenLinkSocket());
  const int on = 1;
  if (!SetOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) {
    return OptionError("PACKET_IGNORE_OUTGOING");
  }
  sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
  FATHOM_RETURN_IF_ERROR(Attach(fd, {&nothing, 1}));
  FATHOM_RETURN_IF_ERROR(BindTo(fd, interface, ETH_P_IP));
  return fd;
}

absl::Status ShareAmong(std::span<const UniqueFd* const> sockets) {
  uint16_t group = 0;
  uint16_t how = PACKET_FANOUT_LB | kFanoutIgnoresOutgoing;
  // The kernel names a group that is free, the others join it.
  uint16_t naming = PACKET_FANOUT_FLAG_UNIQUEID;
  for (const UniqueFd* const socket : sockets) {
    const uint32_t join = group | static_cast<uint32_t>(how | naming) << 16;
    if (!SetOption(*socket, SOL_PACKET, PACKET_FANOUT, join)) {
      return OptionError("PACKET_FANOUT");
    }
    if (naming == 0) continue;
    naming = 0;
    uint32_t joined = 0;
    socklen_t size = sizeof joined;
    if (getsockopt(socket->get(), SOL_PACKET, PACKET_FANOUT, &joined, &size) !=
        0) {
      return OptionError("PACKET_FANOUT");
    }
    group = static_cast<uint16_t>(joined);
  }
  return absl::OkStatus();
}

// A classic BPF program. Jumps are counted from the next instruction.
absl::Status LetIn(const UniqueFd& socket, const Interface& interface,
                   const Answers& answers) {
  constexpr auto kAncillary = static_cast<uint32_t>(SKF_AD_OFF);
  constexpr uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
  constexpr uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
  constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
  constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr uint16_t kIfAnySet = BPF_JMP | BPF_JSET | BPF_K;
  const auto ip = static_cast<uint32_t>(LinkHeaderSize(interface));
  const auto length = static_cast<uint32_t>(answers.max_length);
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
      {kIfEqual, 0, 7, answers.address.v4()},
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
  return Attach(socket, program);
}

}  // namespace fathom
