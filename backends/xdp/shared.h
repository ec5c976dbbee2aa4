#ifndef FATHOM_BACKENDS_XDP_SHARED_H_
#define FATHOM_BACKENDS_XDP_SHARED_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace fathom {

// What the programs in the kernel (programs.bpf.cc) and the queues in user
// space have in common: constants and memory that both see, byte for byte.

// What the programs are told once; the verifier sees constants.
struct XdpRules {
  std::array<uint8_t, 8> mac;  // Of the interface, and two zeros.
  // That probes come from, as in packets: four words, of IPv4 the first only.
  std::array<uint32_t, 4> address;
  uint32_t ipv6;         // Whether that is IPv6; else IPv4.
  uint32_t tcp;          // Whether TCP may answer, too.
  uint32_t link_header;  // Bytes before the IP header.
  uint32_t lanes;
  uint32_t ring_mask;  // The bytes of a ring's records, less one.
  uint32_t unused;
};

// ---- Receiving: a ring for each lane on each processor, since a processor
// runs one program at a time. Lanes are served by turns, whichever processors
// the card interrupts. The rings of a processor stand together. Records follow
// one another; positions only grow, and are taken modulo the ring's size. A
// record begins within that size, and ends in the slack behind it if need be.

// No packet is longer: Ethernet's 1,500 bytes. What is longer is cut.
inline constexpr uint32_t kMaxHeard = 1500;

struct XdpRecord {
  uint64_t arrival;  // Nanoseconds on CLOCK_MONOTONIC.
  uint32_t length;   // Of the packet, which follows.
  uint32_t size;     // From this record to the next; a multiple of eight.
};

inline constexpr uint32_t kRingSlack = 2048;
static_assert(sizeof(XdpRecord) + kMaxHeard <= kRingSlack);

struct XdpRing {
  // Written by the program.
  alignas(64) uint64_t tail;
  uint64_t dropped;  // Packets that found the ring full.
  uint64_t turns;    // In the first ring of a processor: packets so far.
  // Written by user space.
  alignas(64) uint64_t head;
  alignas(64) uint8_t records[1];  // As many as the ring has, and the slack.
};

inline constexpr uint32_t kRingRecords = 128;  // Where they begin.
static_assert(offsetof(XdpRing, records) == kRingRecords);

constexpr uint32_t RingSize(uint32_t record_bytes) {
  return kRingRecords + record_bytes + kRingSlack;
}

// ---- Which ICMP echo ids the host itself uses: when it last sent a request
// with this id, on CLOCK_MONOTONIC. What answers such a request goes to the
// stack too.

inline constexpr uint32_t kEchoIds = 1 << 16;
inline constexpr uint64_t kIdLifetime = 60'000'000'000;
// Where nobody watches what the host sends, every echo reply might be for it.
inline constexpr uint64_t kMaybeHosts = ~uint64_t{0};

// ---- Sending: slots for each lane, which the program copies into the driver's
// frames, one after another.

inline constexpr uint32_t kTxSlots = 1024;
inline constexpr uint32_t kTxSlotSize = 256;
inline constexpr uint32_t kMaxRefusals = 256;
inline constexpr uint32_t kMaxXdpLanes = 64;

// How the program tells the frames that it is to fill from those that came in:
// by metadata before them, of a length that no driver writes and that nobody on
// the wire can cause, and by their own length, which tells the lane. What is in
// them is whatever was there before.
inline constexpr uint32_t kLiveMetadata = 28;
inline constexpr uint32_t kLiveLength = kTxSlotSize + 1;  // Of lane 0.

// Frames in a row that the driver had no room for.
struct XdpRefusal {
  uint32_t first;
  uint32_t count;
};

struct XdpLane {
  uint32_t count;  // To be sent; 0 between runs.
  // Set to zero by user space before each run, then written by the programs.
  uint32_t next;      // The slot to send.
  uint32_t settled;   // Of how many the driver has told what came of them.
  uint32_t refusals;  // Of the array.
  std::array<XdpRefusal, kMaxRefusals> refused;
  std::array<uint32_t, kTxSlots> lengths;
  uint8_t slots[kTxSlots][kTxSlotSize];
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_SHARED_H_
