#ifndef FATHOM_SRC_CODEC_IP_LAYER_H_
#define FATHOM_SRC_CODEC_IP_LAYER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "fathom/address.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"
#include "src/codec/headers.h"

namespace fathom {

// What probes of one family have before their transport: how the header of a
// probe is written, and how the family names things.

// The ones' complement sum of the words of a number.
constexpr uint16_t SumWords(uint32_t value) {
  return OnesAdd(static_cast<uint16_t>(value >> 16),
                 static_cast<uint16_t>(value));
}
constexpr uint16_t SumWords(uint64_t value) {
  return OnesAdd(SumWords(static_cast<uint32_t>(value >> 32)),
                 SumWords(static_cast<uint32_t>(value)));
}

// What differs from one probe's IP header to the next's.
struct IpFields {
  IpAddress target{};
  uint16_t target_sum = 0;
  uint8_t ttl = 0;
  uint16_t id = 0;     // Of IPv4.
  uint32_t label = 0;  // Of IPv6: 20 bits.
};

template <Family F>
struct IpLayer;

template <>
struct IpLayer<Family::kIpv4> {
  using Header = Ipv4Header;
  using WireAddress = Be32;

  static constexpr bool kHasId = true;
  static constexpr uint8_t kTimeExceeded = kIcmpTimeExceeded;

  static WireAddress ToWire(const IpAddress& address) { return address.v4(); }
  static IpAddress FromWire(WireAddress address) {
    return IpAddress::V4(address);
  }
  static uint64_t Hash(const std::array<uint64_t, 2>& key,
                       const IpAddress& address) {
    return SipHash(key, address.v4());
  }
  static uint16_t SumOf(const IpAddress& address) {
    return SumWords(address.v4());
  }

  // The header of a packet of `size` bytes with all that varies zero.
  static Header Template(const IpAddress& source, uint8_t protocol,
                         size_t size) {
    Header header{};
    header.version_ihl = 0x45;
    header.total_length = static_cast<uint16_t>(size);
    header.protocol = protocol;
    header.source = source.v4();
    return header;
  }

  // Makes the template, which sums to `sum`, the header of a probe.
  static void Fill(const IpFields& fields, uint16_t sum, Header& header) {
    header.id = fields.id;
    header.ttl = fields.ttl;
    header.destination = fields.target.v4();
    header.checksum = static_cast<uint16_t>(
        ~OnesAdd(OnesAdd(OnesAdd(sum, fields.id), fields.target_sum),
                 static_cast<uint16_t>(fields.ttl << 8)));
  }
};

template <>
struct IpLayer<Family::kIpv6> {
  using Header = Ipv6Header;
  struct WireAddress {
    Be64 high;
    Be64 low;
  };

  static constexpr bool kHasId = false;
  static constexpr uint8_t kTimeExceeded = kIcmpv6TimeExceeded;

  static WireAddress ToWire(const IpAddress& address) {
    return {address.high(), address.low()};
  }
  static IpAddress FromWire(const WireAddress& address) {
    return IpAddress::V6(address.high, address.low);
  }
  static uint64_t Hash(const std::array<uint64_t, 2>& key,
                       const IpAddress& address) {
    return SipHash(key, std::array<uint64_t, 2>{address.high(), address.low()});
  }
  static uint16_t SumOf(const IpAddress& address) {
    return OnesAdd(SumWords(address.high()), SumWords(address.low()));
  }

  static Header Template(const IpAddress& source, uint8_t protocol,
                         size_t size) {
    Header header{};
    header.version_class_flow = kVersion;
    header.payload_length = static_cast<uint16_t>(size - sizeof header);
    header.next_header = protocol;
    header.source_high = source.high();
    header.source_low = source.low();
    return header;
  }

  static void Fill(const IpFields& fields, uint16_t /*sum*/, Header& header) {
    header.version_class_flow = kVersion | fields.label;
    header.hop_limit = fields.ttl;
    header.destination_high = fields.target.high();
    header.destination_low = fields.target.low();
  }

 private:
  static constexpr uint32_t kVersion = uint32_t{6} << 28;
};

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_IP_LAYER_H_
