#include "backends/packet_socket.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

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

constexpr uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kAnd = BPF_ALU | BPF_AND | BPF_K;
constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint16_t kIfAnySet = BPF_JMP | BPF_JSET | BPF_K;
constexpr uint16_t kIfAtLeast = BPF_JMP | BPF_JGE | BPF_K;

// A classic BPF program as it is written. Tests are of what was loaded last.
class Filter {
 public:
  // Where a test leads, apart from so many instructions on.
  static constexpr uint8_t kNext = 0;
  static constexpr uint8_t kReject = 254;
  static constexpr uint8_t kAccept = 255;

  Filter(uint32_t ip, uint32_t length) : ip_(ip), length_(length) {}

  void Add(uint16_t code, uint32_t value) {
    program_.push_back({code, 0, 0, value});
  }
  // Loads what stands at `offset` in the IP header.
  void Load(uint16_t code, size_t offset) {
    Add(code, ip_ + static_cast<uint32_t>(offset));
  }
  void Test(uint16_t code, uint32_t value, uint8_t then, uint8_t otherwise) {
    program_.push_back({code, then, otherwise, value});
  }
  void Require(uint32_t value) { Test(kIfEqual, value, kNext, kReject); }

  // The whole program, with the two ends that tests lead to.
  std::vector<sock_filter> Finish() && {
    const size_t reject = program_.size();
    for (size_t i = 0; i < reject; ++i) {
      sock_filter& step = program_[i];
      if (BPF_CLASS(step.code) != BPF_JMP) continue;
      for (uint8_t* const to : {&step.jt, &step.jf}) {
        if (*to < kReject) continue;
        *to = static_cast<uint8_t>(reject + (*to - kReject) - i - 1);
      }
    }
    Add(BPF_RET | BPF_K, 0);
    Add(BPF_RET | BPF_K, length_);
    return std::move(program_);
  }

 private:
  const uint32_t ip_;
  const uint32_t length_;
  std::vector<sock_filter> program_;
};

// The end of a filter: goes by the type of the ICMP message, or lets in what
// TCP answers. `addressing` is how to load from the start of the message,
// `start` where that is, and the protocol has been loaded.
struct MessageFilter {
  uint16_t addressing;
  size_t start;
  uint8_t icmp;
  std::vector<uint8_t> types;

  void AddTo(Filter& filter, bool tcp) const {
    const auto past_icmp = static_cast<uint8_t>(types.size() + 1);
    const auto load = [&](uint16_t width, size_t offset) {
      filter.Load(BPF_LD | width | addressing, start + offset);
    };
    filter.Test(kIfEqual, icmp, Filter::kNext,
                tcp ? past_icmp : Filter::kReject);
    load(BPF_B, offsetof(IcmpHeader, type));
    for (const uint8_t type : types) {
      filter.Test(kIfEqual, type, Filter::kAccept,
                  type == types.back() ? Filter::kReject : Filter::kNext);
    }
    if (!tcp) return;
    filter.Require(kProtocolTcp);
    load(BPF_H, offsetof(TcpHeader, destination_port));
    filter.Test(kIfAtLeast, kMinAnsweredPort, Filter::kNext, Filter::kReject);
    load(BPF_B, offsetof(TcpHeader, flags));
    filter.Test(kIfAnySet, kTcpReset, Filter::kAccept, Filter::kNext);
    filter.Add(kAnd, kTcpSyn | kTcpAck);
    filter.Test(kIfEqual, kTcpSyn | kTcpAck, Filter::kAccept, Filter::kReject);
  }
};

void RequireVersion(uint32_t version, Filter& filter) {
  filter.Load(kLoadByte, 0);
  filter.Add(kAnd, 0xf0);
  filter.Require(version << 4);
}

void AddIpv4(const Answers& answers, Filter& filter) {
  RequireVersion(4, filter);
  filter.Load(kLoadWord, offsetof(Ipv4Header, destination));
  filter.Require(answers.address.v4());
  // Only the first fragment has the header of a message.
  filter.Load(kLoadHalf, offsetof(Ipv4Header, flags_fragment));
  filter.Test(kIfAnySet, kFragmentOffsetMask, Filter::kReject, Filter::kNext);
  filter.Load(BPF_LDX | BPF_B | BPF_MSH, 0);  // The length of the header.
  filter.Load(kLoadByte, offsetof(Ipv4Header, protocol));
  MessageFilter{BPF_IND,
                0,
                kProtocolIcmp,
                {kIcmpEchoReply, kIcmpUnreachable, kIcmpTimeExceeded}}
      .AddTo(filter, answers.tcp);
}

void AddIpv6(const Answers& answers, Filter& filter) {
  RequireVersion(6, filter);
  const IpAddress& address = answers.address;
  const uint64_t halves[] = {address.high(), address.low()};
  for (size_t i = 0; i < 4; ++i) {
    filter.Load(kLoadWord,
                offsetof(Ipv6Header, destination_high) + i * sizeof(uint32_t));
    filter.Require(
        static_cast<uint32_t>(halves[i / 2] >> (i % 2 == 0 ? 32 : 0)));
  }
  filter.Load(kLoadByte, offsetof(Ipv6Header, next_header));
  MessageFilter{BPF_ABS,
                sizeof(Ipv6Header),
                kProtocolIcmpv6,
                {kIcmpv6EchoReply, kIcmpv6Unreachable, kIcmpv6TimeExceeded,
                 kIcmpv6ParameterProblem}}
      .AddTo(filter, answers.tcp);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenDeaf(const Interface& interface, Family family) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenLinkSocket());
  const int on = 1;
  if (!SetOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) {
    return OptionError("PACKET_IGNORE_OUTGOING");
  }
  sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
  FATHOM_RETURN_IF_ERROR(Attach(fd, {&nothing, 1}));
  FATHOM_RETURN_IF_ERROR(
      BindTo(fd, interface, family == Family::kIpv4 ? ETH_P_IP : ETH_P_IPV6));
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

absl::Status LetIn(const UniqueFd& socket, const Interface& interface,
                   const Answers& answers) {
  Filter filter(static_cast<uint32_t>(LinkHeaderSize(interface)),
                static_cast<uint32_t>(answers.max_length));
  // The kernel has taken VLAN tags off by now, and has noted that a packet of a
  // VLAN it does not know is not for this host.
  filter.Add(kLoadByte, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE));
  filter.Require(PACKET_HOST);
  if (answers.address.family() == Family::kIpv4) {
    AddIpv4(answers, filter);
  } else {
    AddIpv6(answers, filter);
  }
  auto program = std::move(filter).Finish();
  return Attach(socket, program);
}

}  // namespace fathom
