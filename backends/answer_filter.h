#ifndef FATHOM_BACKENDS_ANSWER_FILTER_H_
#define FATHOM_BACKENDS_ANSWER_FILTER_H_

#include <cstddef>
#include <cstring>
#include <span>

#include "fathom/address.h"
#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "src/net/neighbor.h"

namespace fathom {

// Keeps what answers probes, where no kernel has filtered: what LetIn()
// (backends/packet_socket.h) promises, for whole Ethernet frames.
class AnswerFilter {
 public:
  // Answers to `address`, in frames to `mac`; by TCP only if `tcp`.
  AnswerFilter(const MacAddress& mac, const IpAddress& address, bool tcp)
      : mac_(mac), address_(address), tcp_(tcp) {}

  // The packet in the frame from its IP header on; empty if it is no answer.
  std::span<const std::byte> PacketIn(std::span<const std::byte> frame) const {
    if (frame.size() < sizeof(EthernetHeader) + sizeof(Ipv4Header)) return {};
    const auto ethernet = Load<EthernetHeader>(frame);
    if (std::memcmp(ethernet.destination, mac_.data(), mac_.size()) != 0) {
      return {};
    }
    const auto packet = frame.subspan(sizeof ethernet);
    const bool answers =
        address_.family() == Family::kIpv4
            ? ethernet.type == kEtherTypeIpv4 && IsIpv4(packet)
            : ethernet.type == kEtherTypeIpv6 && IsIpv6(packet);
    return answers ? packet : std::span<const std::byte>();
  }

 private:
  using Bytes = std::span<const std::byte>;

  // REQUIRES: there is room for an IPv4 header.
  bool IsIpv4(Bytes packet) const {
    const auto ip = Load<Ipv4Header>(packet);
    if (ip.version_ihl >> 4 != 4 || ip.destination != address_.v4() ||
        (ip.flags_fragment & kFragmentOffsetMask) != 0 ||
        packet.size() <= ip.header_length()) {
      return false;
    }
    const Bytes message = packet.subspan(ip.header_length());
    if (ip.protocol != kProtocolIcmp) return IsTcp(ip.protocol, message);
    const auto type = static_cast<uint8_t>(message[0]);
    return type == kIcmpEchoReply || type == kIcmpUnreachable ||
           type == kIcmpTimeExceeded;
  }

  bool IsIpv6(Bytes packet) const {
    if (packet.size() <= sizeof(Ipv6Header)) return false;
    const auto ip = Load<Ipv6Header>(packet);
    if (ip.version_class_flow >> 28 != 6 ||
        IpAddress::V6(ip.destination_high, ip.destination_low) != address_) {
      return false;
    }
    const Bytes message = packet.subspan(sizeof ip);
    if (ip.next_header != kProtocolIcmpv6) {
      return IsTcp(ip.next_header, message);
    }
    const auto type = static_cast<uint8_t>(message[0]);
    return type == kIcmpv6EchoReply || type == kIcmpv6Unreachable ||
           type == kIcmpv6TimeExceeded || type == kIcmpv6ParameterProblem;
  }

  bool IsTcp(uint8_t protocol, Bytes message) const {
    if (!tcp_ || protocol != kProtocolTcp ||
        message.size() < sizeof(TcpHeader)) {
      return false;
    }
    const auto tcp = Load<TcpHeader>(message);
    constexpr uint8_t kAccepts = kTcpSyn | kTcpAck;
    return tcp.destination_port >= kMinAnsweredPort &&
           ((tcp.flags & kTcpReset) != 0 || (tcp.flags & kAccepts) == kAccepts);
  }

  const MacAddress mac_;
  const IpAddress address_;
  const bool tcp_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_ANSWER_FILTER_H_
