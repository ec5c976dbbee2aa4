#include "src/lab/neighbors.h"

#include "src/codec/headers.h"

namespace fathom::lab {
namespace {

constexpr uint16_t kEthernet = 1;
constexpr uint16_t kRequest = 1;
constexpr uint16_t kReply = 2;

}  // namespace

std::optional<ArpPacket> AnswerArp(std::span<const std::byte> request,
                                   const MacAddress& own, uint32_t source,
                                   const Neighbors& neighbors) {
  if (request.size() < sizeof(ArpPacket)) return std::nullopt;
  const auto asked = Load<ArpPacket>(request);
  if (asked.hardware != kEthernet || asked.protocol != kEtherTypeIpv4 ||
      asked.hardware_length != sizeof(MacAddress) ||
      asked.protocol_length != sizeof(uint32_t) ||
      asked.operation != kRequest) {
    return std::nullopt;
  }
  const uint32_t target = asked.target;
  if (asked.sender == 0 || asked.sender == target || target == source ||
      neighbors.Knows(target)) {
    return std::nullopt;
  }
  ArpPacket reply = asked;
  reply.operation = kReply;
  reply.sender_mac = own;
  reply.sender = asked.target;
  reply.target_mac = asked.sender_mac;
  reply.target = asked.sender;
  return reply;
}

}  // namespace fathom::lab
