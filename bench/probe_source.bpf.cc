// Makes echo requests as fast as a driver takes them: run over a frame again
// and again, it makes each the next probe and sends it.

#include "src/base/bpf_kernel.h"
#include "src/base/hash.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

extern "C" {
// An echo request without payload, and six zeros.
alignas(8) char probe_frame[48] FATHOM_SECTION(".rodata.frame");

uint64_t made FATHOM_SECTION(".data.made") = 0;
char program_license[] FATHOM_SECTION("license") = "Apache-2.0";
}

constexpr uint32_t kHops = 16;

}  // namespace

// All of 10.0.0.0/8 is probed. The frame holds whatever came of the probe
// before it, so all of it is written.
extern "C" FATHOM_SECTION("xdp") int next_probe(xdp_md* context) {
  uint8_t* const data = Start(context);
  if (data + sizeof probe_frame > End(context)) return XDP_ABORTED;
  for (uint32_t i = 0; i < sizeof probe_frame; i += 8) {
    Put(data + i, *reinterpret_cast<const uint64_t*>(probe_frame + i));
  }
  uint8_t* const ip = data + sizeof(EthernetHeader);
  const uint64_t number = made++;
  const uint64_t hash = Mix(number);
  const uint32_t target = 0x0a000000 | (hash & 0xffffff);
  const uint32_t ttl = 1 + (static_cast<uint32_t>(hash >> 32) % kHops);
  Put(ip + 4, static_cast<uint16_t>(number));
  ip[8] = static_cast<uint8_t>(ttl);
  Put(ip + 16, Swap(target));
  uint64_t sum = 0;
  for (uint32_t i = 0; i < sizeof(Ipv4Header); i += 4) {
    sum += Get<uint32_t>(ip + i);
  }
  Put(ip + 10, static_cast<uint16_t>(~Fold(sum)));
  uint8_t* const icmp = ip + sizeof(Ipv4Header);
  Put(icmp, uint32_t{kIcmpEchoRequest});
  Put(icmp + 4, static_cast<uint32_t>(number));
  Put(icmp + 2, static_cast<uint16_t>(~Fold(uint64_t{kIcmpEchoRequest} +
                                            static_cast<uint32_t>(number))));
  return XDP_TX;
}

}  // namespace fathom
