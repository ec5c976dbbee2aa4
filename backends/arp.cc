#include "backends/arp.h"

#include <algorithm>

namespace fathom {
namespace {

constexpr uint16_t kRequest = 1;
constexpr uint16_t kAnswer = 2;
constexpr MacAddress kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void Copy(const MacAddress& mac, uint8_t (&to)[6]) {
  std::copy(mac.begin(), mac.end(), to);
}

MacAddress ToMac(const uint8_t (&bytes)[6]) {
  MacAddress mac;
  std::copy(std::begin(bytes), std::end(bytes), mac.begin());
  return mac;
}

ArpFrame Make(const ArpHost& self, const MacAddress& to, uint16_t operation) {
  ArpFrame frame = {};
  Copy(to, frame.ethernet.destination);
  Copy(self.mac, frame.ethernet.source);
  frame.ethernet.type = kEtherTypeArp;
  frame.hardware = 1;
  frame.protocol = kEtherTypeIpv4;
  frame.hardware_size = 6;
  frame.protocol_size = 4;
  frame.operation = operation;
  Copy(self.mac, frame.sender_mac);
  frame.sender = self.address.v4();
  return frame;
}

std::optional<ArpFrame> Parse(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(ArpFrame)) return std::nullopt;
  const auto frame = Load<ArpFrame>(bytes);
  const bool understood = frame.ethernet.type == kEtherTypeArp &&
                          frame.hardware == 1 &&
                          frame.protocol == kEtherTypeIpv4 &&
                          frame.hardware_size == 6 && frame.protocol_size == 4;
  return understood ? std::optional(frame) : std::nullopt;
}

}  // namespace

ArpFrame MakeArpRequest(const ArpHost& self, const IpAddress& target) {
  ArpFrame frame = Make(self, kEverybody, kRequest);
  frame.target = target.v4();
  return frame;
}

std::optional<ArpFrame> AnswerArp(std::span<const std::byte> frame,
                                  const ArpHost& self) {
  const auto asked = Parse(frame);
  if (!asked || asked->operation != kRequest ||
      asked->target != self.address.v4()) {
    return std::nullopt;
  }
  const MacAddress asker = ToMac(asked->sender_mac);
  ArpFrame answer = Make(self, asker, kAnswer);
  Copy(asker, answer.target_mac);
  answer.target = asked->sender;
  return answer;
}

std::optional<MacAddress> ReadArp(std::span<const std::byte> frame,
                                  const IpAddress& target) {
  const auto told = Parse(frame);
  if (!told || told->operation != kAnswer || told->sender != target.v4()) {
    return std::nullopt;
  }
  return ToMac(told->sender_mac);
}

}  // namespace fathom
