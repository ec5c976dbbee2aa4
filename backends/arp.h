#ifndef FATHOM_BACKENDS_ARP_H_
#define FATHOM_BACKENDS_ARP_H_

#include <cstddef>
#include <optional>
#include <span>

#include "fathom/address.h"
#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "src/net/neighbor.h"

namespace fathom {

// Address resolution (RFC 826) for a card that the kernel has no hand in:
// whole Ethernet frames, IPv4 only.

inline constexpr uint16_t kEtherTypeArp = 0x0806;

struct ArpFrame {
  EthernetHeader ethernet;
  Be16 hardware;  // 1: Ethernet.
  Be16 protocol;  // kEtherTypeIpv4
  uint8_t hardware_size;
  uint8_t protocol_size;
  Be16 operation;  // 1 asks, 2 answers.
  uint8_t sender_mac[6];
  Be32 sender;
  uint8_t target_mac[6];
  Be32 target;
};
static_assert(sizeof(ArpFrame) == 42);

// A host on the link.
struct ArpHost {
  MacAddress mac{};
  IpAddress address;
};

// Asks everybody for the MAC of `target`, in the name of `self`.
ArpFrame MakeArpRequest(const ArpHost& self, const IpAddress& target);

// The answer in the name of `self`, if `frame` asks for its MAC.
std::optional<ArpFrame> AnswerArp(std::span<const std::byte> frame,
                                  const ArpHost& self);

// The MAC of `target`, if `frame` tells it.
std::optional<MacAddress> ReadArp(std::span<const std::byte> frame,
                                  const IpAddress& target);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_ARP_H_
