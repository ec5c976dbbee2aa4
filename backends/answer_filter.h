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

// Keeps what answers probes, where no kernel has filtered: what OpenReceiver()
// (backends/packet_socket.h) promises, for whole Ethernet frames.
class AnswerFilter {
 public:
  // Answers to `address`, in frames to `mac`.
  AnswerFilter(const MacAddress& mac, const IpAddress& address)
      : mac_(mac), address_(address.v4()) {}

  // The packet in the frame from its IP header on; empty if it is no answer.
  std::span<const std::byte> PacketIn(std::span<const std::byte> frame) const {
    if (frame.size() < sizeof(EthernetHeader) + sizeof(Ipv4Header)) return {};
    const auto ethernet = Load<EthernetHeader>(frame);
    if (ethernet.type != kEtherTypeIpv4 ||
        std::memcmp(ethernet.destination, mac_.data(), mac_.size()) != 0) {
      return {};
    }
    const auto packet = frame.subspan(sizeof ethernet);
    const auto ip = Load<Ipv4Header>(packet);
    if (ip.version_ihl >> 4 != 4 || ip.protocol != kProtocolIcmp ||
        ip.destination != address_ ||
        (ip.flags_fragment & kFragmentOffsetMask) != 0 ||
        packet.size() <= ip.header_length()) {
      return {};
    }
    const auto type = static_cast<uint8_t>(packet[ip.header_length()]);
    const bool answers = type == kIcmpEchoReply || type == kIcmpUnreachable ||
                         type == kIcmpTimeExceeded;
    return answers ? packet : std::span<const std::byte>();
  }

 private:
  const MacAddress mac_;
  const uint32_t address_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_ANSWER_FILTER_H_
