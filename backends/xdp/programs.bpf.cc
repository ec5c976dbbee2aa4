// What the xdp backend does within the kernel: three programs.
//
// on_frame sees each frame that comes in over the interface, before the kernel
// has made a packet of it. What may answer a probe it moves into memory that
// user space sees; all else goes on to the stack untouched. The same program
// sends: run over empty frames that the kernel makes for this, it fills each
// with the next probe and has the driver transmit it. It is one program since
// the kernel stops the world for 25 ms each time that one starts to run which
// no interface has.
//
// on_transmitted learns what became of those frames, and on_leaving which
// echo requests are of the host's own, so that their answers go to it as well.

#include <algorithm>

#include "backends/xdp/shared.h"
#include "src/base/bpf_kernel.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

extern "C" {
// An XdpRules, as bytes so that the compiler cannot know what is in it.
alignas(8) char rules[sizeof(XdpRules)] FATHOM_SECTION(".rodata.rules");

// The numbers of entries, and the size of a ring, are set before loading.
FATHOM_SHARED_MAP(rings, RingSize(1 << 16), 1);
FATHOM_SHARED_MAP(lanes, sizeof(XdpLane), 1);
FATHOM_SHARED_MAP(host_ids, sizeof(uint64_t), kEchoIds);
// The lane that this processor sends for, plus one.
FATHOM_MAP(sending, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint64_t), 1);

char program_license[] FATHOM_SECTION("license") = "Apache-2.0";
}

constexpr uint32_t kIp = sizeof(Ipv4Header);
constexpr uint32_t kIp6 = sizeof(Ipv6Header);
constexpr uint32_t kIcmp = sizeof(IcmpHeader);
constexpr uint32_t kTcp = sizeof(TcpHeader);
constexpr uint32_t kMoreFragments = 0x2000;
constexpr uint32_t kSafeCopy = 2047;  // A mask above kMaxHeard.

const XdpRules& Rules() { return *reinterpret_cast<const XdpRules*>(rules); }

uint16_t EtherType() {
  return Swap(Rules().ipv6 != 0 ? kEtherTypeIpv6 : kEtherTypeIpv4);
}

// Whether our address stands here.
bool IsOurs(const uint8_t* at) {
  const auto& address = Rules().address;
  if (Rules().ipv6 == 0) return Get<uint32_t>(at) == address[0];
  return ((Get<uint32_t>(at) ^ address[0]) |
          (Get<uint32_t>(at + 4) ^ address[1]) |
          (Get<uint32_t>(at + 8) ^ address[2]) |
          (Get<uint32_t>(at + 12) ^ address[3])) == 0;
}

// An IP packet of the scan's family: what it carries, from where to where.
struct Packet {
  const uint8_t* source;
  const uint8_t* destination;
  const uint8_t* message;  // Null if this is none, or too short.
  uint8_t protocol;
};

// The packet at `ip`, with room for an ICMP header after its own. Extension
// headers are not looked into.
Packet ReadPacket(const uint8_t* ip, const uint8_t* end) {
  Packet packet = {ip, ip, nullptr, 0};
  if (Rules().ipv6 != 0) {
    if (ip + kIp6 + kIcmp > end || ip[0] >> 4 != 6) return packet;
    packet.source = ip + offsetof(Ipv6Header, source_high);
    packet.destination = ip + offsetof(Ipv6Header, destination_high);
    packet.message = ip + kIp6;
    packet.protocol = ip[6];
    return packet;
  }
  if (ip + kIp + kIcmp > end) return packet;
  const uint32_t header_length = (ip[0] & 0xfU) * 4;
  const uint8_t* const message = ip + header_length;
  if (ip[0] >> 4 != 4 || header_length < kIp || message + kIcmp > end) {
    return packet;
  }
  packet.source = ip + offsetof(Ipv4Header, source);
  packet.destination = ip + offsetof(Ipv4Header, destination);
  packet.message = message;
  packet.protocol = ip[9];
  return packet;
}

// Whether the IPv4 packet, which has room for its header, is a fragment.
bool IsFragment(const uint8_t* ip) {
  return Rules().ipv6 == 0 &&
         (Get<uint16_t>(ip + 6) &
          Swap(static_cast<uint16_t>(kMoreFragments | kFragmentOffsetMask))) !=
             0;
}

uint8_t IcmpProtocol() {
  return Rules().ipv6 != 0 ? kProtocolIcmpv6 : kProtocolIcmp;
}
uint8_t EchoReplyType() {
  return Rules().ipv6 != 0 ? kIcmpv6EchoReply : kIcmpEchoReply;
}
uint8_t EchoRequestType() {
  return Rules().ipv6 != 0 ? kIcmpv6EchoRequest : kIcmpEchoRequest;
}

bool IsError(uint8_t type) {
  if (Rules().ipv6 != 0) {
    return type == kIcmpv6Unreachable || type == kIcmpv6TimeExceeded ||
           type == kIcmpv6ParameterProblem;
  }
  return type == kIcmpUnreachable || type == kIcmpTimeExceeded;
}

// What is nobody's answer, and what may be ours or the host's alike.
constexpr int32_t kNoAnswer = -1;
constexpr int32_t kAnyonesAnswer = -2;

// The echo id, as in memory, of what might answer a probe of ours, or one of
// the above. An error must quote an echo request, a datagram or a segment from
// our address. Which scan it is of, if any, the codec tells.
int32_t EchoIdOfAnswer(const uint8_t* icmp, const uint8_t* end) {
  if (icmp[0] == EchoReplyType()) return Get<uint16_t>(icmp + 4);
  if (!IsError(icmp[0])) return kNoAnswer;
  const Packet quote = ReadPacket(icmp + kIcmp, end);
  if (quote.message == nullptr || !IsOurs(quote.source)) return kNoAnswer;
  if (quote.protocol == kProtocolUdp || quote.protocol == kProtocolTcp) {
    return kAnyonesAnswer;
  }
  if (quote.protocol != IcmpProtocol() ||
      quote.message[0] != EchoRequestType()) {
    return kNoAnswer;
  }
  return Get<uint16_t>(quote.message + 4);
}

// Whether the segment refuses a connection or accepts one, and is to a port
// that probes come from.
bool IsTcpAnswer(const uint8_t* tcp, const uint8_t* end) {
  if (tcp + kTcp > end) return false;
  const uint16_t port = Swap(Get<uint16_t>(tcp + 2));
  const uint8_t flags = tcp[offsetof(TcpHeader, flags)];
  constexpr uint8_t kAccepts = kTcpSyn | kTcpAck;
  return port >= kMinAnsweredPort &&
         ((flags & kTcpReset) != 0 || (flags & kAccepts) == kAccepts);
}

// Whether the host may have asked for this itself.
bool MayBeHosts(uint32_t echo_id, uint64_t now, bool reply) {
  const auto* const used = Entry<uint64_t>(&host_ids, echo_id);
  if (used == nullptr || *used == 0) return false;
  if (*used == kMaybeHosts) return reply;
  return now - *used < kIdLifetime;
}

// The ring of this processor for the lane whose turn it is.
XdpRing* NextRing() {
  const uint32_t lanes = Rules().lanes;
  const uint32_t first = Processor() * lanes;
  auto* const ring = Entry<XdpRing>(&rings, first);
  if (ring == nullptr || lanes <= 1) return ring;
  const auto turn = static_cast<uint32_t>(ring->turns++ % lanes);
  return Entry<XdpRing>(&rings, first + turn);
}

// Copies the packet, from its IP header on, to a ring.
void Keep(xdp_md* context, uint64_t now) {
  auto* const ring = NextRing();
  if (ring == nullptr) return;
  const uint32_t header = Rules().link_header;
  uint32_t length = static_cast<uint32_t>(FrameLength(context)) - header;
  length = std::min(length, kMaxHeard);
  const uint64_t size = (sizeof(XdpRecord) + length + 7) & ~uint64_t{7};
  const uint64_t tail = ring->tail;
  const uint64_t head = *const_cast<volatile uint64_t*>(&ring->head);
  if (tail - head + size > uint64_t{Rules().ring_mask} + 1) {
    ++ring->dropped;
    return;
  }
  uint8_t* const at = ring->records + (tail & Rules().ring_mask);
  auto* const record = reinterpret_cast<XdpRecord*>(at);
  record->arrival = now;
  record->length = length;
  record->size = static_cast<uint32_t>(size);
  length &= kSafeCopy;
  if (length == 0 || length > kMaxHeard) return;
  if (!CopyOut(context, header, at + sizeof(XdpRecord), length)) return;
  // With its result used it is a barrier, so that the record is seen whole.
  const volatile uint64_t before = __sync_fetch_and_add(&ring->tail, size);
  (void)before;
}

int Hear(xdp_md* context) {
  const uint8_t* const data = Start(context);
  const uint8_t* const end = End(context);
  const uint32_t header = Rules().link_header;
  if (header != 0) {
    const auto* const mac = Rules().mac.data();
    if (data + sizeof(EthernetHeader) > end ||
        Get<uint16_t>(data + 12) != EtherType() ||
        Get<uint32_t>(data) != Get<uint32_t>(mac) ||
        Get<uint16_t>(data + 4) != Get<uint16_t>(mac + 4)) {
      return XDP_PASS;
    }
  }
  const uint8_t* const ip = data + header;
  const Packet packet = ReadPacket(ip, end);
  const uint8_t* const message = packet.message;
  if (message == nullptr || !IsOurs(packet.destination) || IsFragment(ip)) {
    return XDP_PASS;
  }
  if (packet.protocol == kProtocolTcp) {
    // The stack resets what it did not open, so that nothing is left at the
    // target: so it must hear of it.
    if (Rules().tcp != 0 && IsTcpAnswer(message, end)) Keep(context, Now());
    return XDP_PASS;
  }
  if (packet.protocol != IcmpProtocol()) return XDP_PASS;
  const int32_t echo_id = EchoIdOfAnswer(message, end);
  if (echo_id == kNoAnswer) return XDP_PASS;
  const bool reply = message[0] == EchoReplyType();
  const uint64_t now = Now();
  Keep(context, now);
  // Ports do not say who sent a datagram or a segment, and the stack takes no
  // harm from an error about one that it never sent.
  if (echo_id == kAnyonesAnswer) return XDP_PASS;
  return MayBeHosts(static_cast<uint32_t>(echo_id), now, reply) ? XDP_PASS
                                                                : XDP_DROP;
}

// Makes the frame the next probe of the lane.
int SendNext(xdp_md* context, uint32_t lane_index) {
  auto* const lane = Entry<XdpLane>(&lanes, lane_index);
  auto* const current = Entry<uint64_t>(&sending, 0);
  if (lane == nullptr || current == nullptr) return XDP_ABORTED;
  const uint32_t slot = lane->next;
  if (slot >= lane->count || slot >= kTxSlots) return XDP_ABORTED;
  lane->next = slot + 1;
  *current = uint64_t{lane_index} + 1;
  const uint32_t length = lane->lengths[slot];
  if (length == 0 || length > kTxSlotSize) return XDP_ABORTED;
  if (!MoveMeta(context, kLiveMetadata)) return XDP_ABORTED;
  const uint32_t surplus = kLiveLength + lane_index - length;
  if (!MoveTail(context, -static_cast<int>(surplus))) return XDP_ABORTED;
  return CopyIn(context, 0, lane->slots[slot], length) ? XDP_TX : XDP_ABORTED;
}

}  // namespace

extern "C" FATHOM_SECTION("xdp.frags") int on_frame(xdp_md* context) {
  if (context->data - context->data_meta == kLiveMetadata) {
    return SendNext(context, context->data_end - context->data - kLiveLength);
  }
  return Hear(context);
}

// Of each few frames that a driver was given by another program than its own:
// from which interface, to which, how many it took and refused. Only ours come
// from the interface that they go to.
extern "C" FATHOM_SECTION("raw_tp/xdp_devmap_xmit") int on_transmitted(
    const uint64_t* arguments) {
  if (arguments[0] != arguments[1]) return 0;
  const auto* const current = Entry<uint64_t>(&sending, 0);
  if (current == nullptr || *current == 0) return 0;
  auto* const lane =
      Entry<XdpLane>(&lanes, static_cast<uint32_t>(*current - 1));
  if (lane == nullptr) return 0;
  const auto taken = static_cast<uint32_t>(arguments[2]);
  const auto refused = static_cast<uint32_t>(arguments[3]);
  if (lane->settled + taken + refused > lane->next) return 0;
  if (refused > 0 && lane->refusals < kMaxRefusals) {
    XdpRefusal& refusal = lane->refused[lane->refusals & (kMaxRefusals - 1)];
    refusal.first = lane->settled + taken;
    refusal.count = refused;
    ++lane->refusals;
  }
  lane->settled += taken + refused;
  return 0;
}

// What the host sends by its stack; ours goes by another way.
extern "C" FATHOM_SECTION("tc") int on_leaving(__sk_buff* context) {
  constexpr int kGoOn = -1;
  const auto* const data =
      reinterpret_cast<const uint8_t*>(uint64_t{context->data});
  const auto* const end =
      reinterpret_cast<const uint8_t*>(uint64_t{context->data_end});
  if (context->protocol != EtherType()) return kGoOn;
  const uint8_t* const ip = data + Rules().link_header;
  const Packet packet = ReadPacket(ip, end);
  if (packet.message == nullptr || packet.protocol != IcmpProtocol() ||
      IsFragment(ip) || packet.message[0] != EchoRequestType()) {
    return kGoOn;
  }
  auto* const used =
      Entry<uint64_t>(&host_ids, Get<uint16_t>(packet.message + 4));
  if (used != nullptr) *used = Now();
  return kGoOn;
}

}  // namespace fathom
