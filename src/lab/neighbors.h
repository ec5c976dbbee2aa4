#ifndef FATHOM_SRC_LAB_NEIGHBORS_H_
#define FATHOM_SRC_LAB_NEIGHBORS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "src/base/bytes.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// Who is at the other end of the wire: the MAC of each address that sends
// probes, learnt from them.
//
// The table has a fixed size; an address may take the place of another, which
// is learnt again with its next probe. Replies to an address that has lost its
// place go where the last probe came from. One thread.
class Neighbors {
 public:
  void Learn(uint32_t address, const MacAddress& mac) {
    last_ = mac;
    table_[Place(address)] = {.address = address, .mac = mac};
  }

  const MacAddress& Find(uint32_t address) const {
    const Entry& entry = table_[Place(address)];
    return entry.address == address ? entry.mac : last_;
  }

  bool Knows(uint32_t address) const {
    return table_[Place(address)].address == address;
  }

 private:
  // 40 KiB in all.
  static constexpr int kBits = 12;

  struct Entry {
    uint32_t address = 0;  // Nobody probes from 0.0.0.0.
    MacAddress mac{};
  };

  // Addresses of one network differ at the end: Fibonacci hashing.
  static size_t Place(uint32_t address) {
    return (address * 0x9e37'79b9U) >> (32 - kBits);
  }

  std::array<Entry, size_t{1} << kBits> table_{};
  MacAddress last_{};
};

// ARP over Ethernet for IPv4 (RFC 826), padding not included.
struct ArpPacket {
  Be16 hardware;
  Be16 protocol;
  uint8_t hardware_length;
  uint8_t protocol_length;
  Be16 operation;
  MacAddress sender_mac;
  Be32 sender;
  MacAddress target_mac;
  Be32 target;
};
static_assert(sizeof(ArpPacket) == 28);

inline constexpr uint16_t kEtherTypeArp = 0x0806;

// The reply to an ARP request that somebody at the other end sent; nullopt if
// there is none to give. Whoever has `own` as MAC has every address, except
// those at the other end: the asker's own, those in `neighbors`, and `source`,
// from which probes are to come. Who asks from 0.0.0.0 checks whether it may
// take an address (RFC 5227), and must hear nothing.
std::optional<ArpPacket> AnswerArp(std::span<const std::byte> request,
                                   const MacAddress& own, uint32_t source,
                                   const Neighbors& neighbors);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_NEIGHBORS_H_
