#include "src/lab/offload.h"

#include <cstdint>

#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom::lab {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

}  // namespace

void CompleteChecksum(std::span<std::byte> packet) {
  if (packet.size() < sizeof(Ipv4Header)) return;
  const auto ip = Load<Ipv4Header>(packet);
  const size_t header = ip.header_length();
  const size_t total = ip.total_length;
  if (ip.version_ihl >> 4 != 4 || header < sizeof ip || total < header ||
      total > packet.size() || (ip.flags_fragment & kFragmentOffsetMask) != 0 ||
      (ip.protocol != kTcp && ip.protocol != kUdp)) {
    return;
  }
  const auto transport = packet.first(total).subspan(header);
  const size_t at = ip.protocol == kUdp ? 6 : 16;
  if (transport.size() < at + sizeof(Be16)) return;
  uint16_t checksum = InternetChecksum(transport);
  // Zero would say that there is none (RFC 768).
  if (checksum == 0 && ip.protocol == kUdp) checksum = 0xffff;
  Store(Be16(checksum), transport.subspan(at));
}

}  // namespace fathom::lab
