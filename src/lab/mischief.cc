#include "src/lab/mischief.h"

#include <cassert>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"
#include "src/lab/scenario.h"

namespace fathom::lab {
namespace {

constexpr size_t kMinGarbage = 20;
constexpr size_t kMaxGarbage = 140;

// Writes `ip` with the checksum that is right for it.
void StoreWithChecksum(Ipv4Header ip, std::span<std::byte> out) {
  ip.checksum = 0;
  Store(ip, out);
  ip.checksum = InternetChecksum(out.first(sizeof ip));
  Store(ip, out);
}

Ipv4Header HeaderTo(const ProbePacket& probe, uint64_t chance, size_t length) {
  return {.version_ihl = 0x45,
          .tos = 0,
          .total_length = static_cast<uint16_t>(length),
          .id = static_cast<uint16_t>(chance),
          .flags_fragment = 0,
          .ttl = static_cast<uint8_t>(64 + Low(chance) % 190),
          .protocol = kProtocolIcmp,
          .checksum = 0,
          .source = probe.ip.destination ^ Low(Again(chance, 1)) >> 8,
          .destination = probe.ip.source};
}

}  // namespace

Mischief::Mischief(const Scenario& scenario)
    : any_(scenario.late_replies + scenario.duplicated_replies +
           scenario.truncated_replies + scenario.forged_replies +
           scenario.garbage_replies),
      late_(scenario.late_replies),
      duplicated_(scenario.duplicated_replies),
      truncated_(scenario.truncated_replies),
      forged_(scenario.forged_replies),
      late_delay_(
          {scenario.late_reply_s.min * 1e3, scenario.late_reply_s.max * 1e3}) {}

Mishap Mischief::Choose(uint64_t hash) const {
  Mishap mishap;
  uint32_t draw = High(hash);
  if (late_.Holds(draw)) {
    mishap.late = late_delay_.At(Low(hash));
    return mishap;
  }
  draw = late_.Rest(draw);
  mishap.duplicated = duplicated_.Holds(draw);
  if (mishap.duplicated) return mishap;
  draw = duplicated_.Rest(draw);
  mishap.truncated = truncated_.Holds(draw);
  if (mishap.truncated) return mishap;
  mishap.forged = forged_.Holds(truncated_.Rest(draw));
  mishap.garbage = !mishap.forged;
  return mishap;
}

size_t CutLength(size_t length, uint64_t chance) {
  return 1 + Below(static_cast<uint32_t>(length) - 1, High(Again(chance, 2)));
}

void WriteForged(const ProbePacket& probe, uint64_t chance,
                 std::span<std::byte> out) {
  assert(out.size() == kForgedSize);
  StoreWithChecksum(HeaderTo(probe, chance, out.size()), out);
  const auto message = out.subspan(sizeof(Ipv4Header));
  const auto quote = message.subspan(sizeof(IcmpHeader));
  Ipv4Header ip = probe.ip;
  ip.version_ihl = 0x45;
  ip.destination = ip.destination ^ Low(Again(chance, 3)) >> 12;
  ip.ttl = 1;
  StoreWithChecksum(ip, quote);
  // The eight bytes that would prove that this scan sent it.
  const auto proof = quote.subspan(sizeof(Ipv4Header));
  Store(Again(chance, 4), proof);
  auto icmp = Load<IcmpHeader>(proof);
  icmp.type = kIcmpEchoRequest;
  icmp.code = 0;
  Store(icmp, proof);
  IcmpHeader outer = {.type = kIcmpTimeExceeded,
                      .code = 0,
                      .checksum = 0,
                      .id = 0,
                      .sequence = 0};
  Store(outer, message);
  outer.checksum = InternetChecksum(message);
  Store(outer, message);
}

size_t GarbageSize(uint64_t chance) {
  return Between(Range<uint32_t>{kMinGarbage, kMaxGarbage},
                 High(Again(chance, 5)));
}

void WriteGarbage(const ProbePacket& probe, uint64_t chance,
                  std::span<std::byte> out) {
  assert(out.size() == GarbageSize(chance));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::byte>(Again(chance, 6 + i));
  }
  if (chance % 2 == 0) {
    StoreWithChecksum(HeaderTo(probe, chance, out.size()), out);
  }
}

}  // namespace fathom::lab
