#ifndef FATHOM_SRC_CODEC_IP_VIEW_H_
#define FATHOM_SRC_CODEC_IP_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/codec/headers.h"

namespace fathom {

// IP headers in received bytes, of either family by one interface. A view lasts
// as long as the bytes.
//
// Fields are read where they stand: a header copied as a whole would be written
// and read in words of different sizes, and each such read waits for the write.

// The ones' complement sum of data that contains its own right checksum.
inline constexpr uint16_t kTrueSum = 0xffff;

// An IPv4 header, known to lie within its bytes, options included.
class Ipv4View {
 public:
  static constexpr Family kFamily = Family::kIpv4;
  static constexpr uint8_t kIcmp = kProtocolIcmp;
  static constexpr size_t kLeastLength = sizeof(Ipv4Header);

  // nullopt if `bytes` do not begin with such a header.
  static std::optional<Ipv4View> Of(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Ipv4Header)) return std::nullopt;
    const Ipv4View view(bytes);
    const bool fits = std::to_integer<int>(bytes[0]) >> 4 == 4 &&
                      view.length() >= sizeof(Ipv4Header) &&
                      view.length() <= bytes.size();
    return fits ? std::optional(view) : std::nullopt;
  }

  // Of the header, and so where the transport begins.
  size_t length() const {
    return (std::to_integer<size_t>(bytes_[0]) & 0xf) * 4;
  }
  size_t total_length() const {
    return Field<Be16>(offsetof(Ipv4Header, total_length));
  }
  uint16_t id() const { return Field<Be16>(offsetof(Ipv4Header, id)); }
  bool is_later_fragment() const {
    const uint16_t word = Field<Be16>(offsetof(Ipv4Header, flags_fragment));
    return (word & kFragmentOffsetMask) != 0;
  }
  uint8_t tos() const { return Field<uint8_t>(offsetof(Ipv4Header, tos)); }
  Ttl ttl() const { return Ttl(Field<uint8_t>(offsetof(Ipv4Header, ttl))); }
  uint8_t protocol() const {
    return Field<uint8_t>(offsetof(Ipv4Header, protocol));
  }
  IpAddress source() const {
    return IpAddress::V4(Field<Be32>(offsetof(Ipv4Header, source)));
  }
  IpAddress destination() const {
    return IpAddress::V4(Field<Be32>(offsetof(Ipv4Header, destination)));
  }
  bool HasTrueSum() const {
    return OnesSum(bytes_.first(length())) == kTrueSum;
  }
  // What the addresses add to the sum of a pseudo-header (RFC 9293, 3.1).
  uint16_t AddressSum() const {
    return OnesSum(bytes_.subspan(offsetof(Ipv4Header, source), 8));
  }
  // What the checksum of an ICMP message covers besides: nothing.
  uint16_t IcmpPseudoSum(size_t /*size*/) const { return 0; }

  std::span<const std::byte> rest() const { return bytes_.subspan(length()); }

 private:
  explicit Ipv4View(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T Field(size_t offset) const {
    return Load<T>(bytes_.subspan(offset));
  }

  std::span<const std::byte> bytes_;
};

// An IPv6 header and the extension headers after it (RFC 8200, section 4), all
// known to lie within their bytes.
class Ipv6View {
 public:
  static constexpr Family kFamily = Family::kIpv6;
  static constexpr uint8_t kIcmp = kProtocolIcmpv6;
  static constexpr size_t kLeastLength = sizeof(Ipv6Header);

  // nullopt if `bytes` do not begin with such headers.
  static std::optional<Ipv6View> Of(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Ipv6Header) ||
        std::to_integer<int>(bytes[0]) >> 4 != 6) {
      return std::nullopt;
    }
    Ipv6View view(bytes);
    if (!view.PassExtensions()) return std::nullopt;
    return view;
  }

  // Of all headers, and so where the transport begins.
  size_t length() const { return length_; }
  size_t total_length() const {
    return sizeof(Ipv6Header) +
           Field<Be16>(offsetof(Ipv6Header, payload_length));
  }
  static uint16_t id() { return 0; }
  bool is_later_fragment() const { return is_later_fragment_; }
  uint8_t tos() const { return static_cast<uint8_t>(Field<Be16>(0) >> 4); }
  Ttl ttl() const {
    return Ttl(Field<uint8_t>(offsetof(Ipv6Header, hop_limit)));
  }
  uint8_t protocol() const { return protocol_; }
  IpAddress source() const {
    return Address(offsetof(Ipv6Header, source_high));
  }
  IpAddress destination() const {
    return Address(offsetof(Ipv6Header, destination_high));
  }
  static bool HasTrueSum() { return true; }  // It has none.
  uint16_t AddressSum() const {
    return OnesSum(bytes_.subspan(offsetof(Ipv6Header, source_high), 32));
  }
  // The pseudo-header's (RFC 8200, 8.1) of a message of `size` bytes.
  uint16_t IcmpPseudoSum(size_t size) const {
    return OnesAdd(AddressSum(), OnesAdd(kIcmp, static_cast<uint16_t>(size)));
  }

  std::span<const std::byte> rest() const { return bytes_.subspan(length_); }

 private:
  // No packet that means well has more extension headers.
  static constexpr int kMaxExtensionHeaders = 8;

  explicit Ipv6View(std::span<const std::byte> bytes)
      : bytes_(bytes),
        protocol_(Field<uint8_t>(offsetof(Ipv6Header, next_header))) {}

  // Goes to the transport, or to the end of what is in a later fragment.
  bool PassExtensions() {
    for (int i = 0; i < kMaxExtensionHeaders; ++i) {
      if (!IsExtensionHeader(protocol_) || is_later_fragment_) return true;
      const auto header = bytes_.subspan(length_);
      if (header.size() < 8) return false;
      size_t size = 8;
      if (protocol_ == kIpv6Fragment) {
        is_later_fragment_ = (Load<Be16>(header.subspan(2)) & 0xfff8) != 0;
      } else {
        // That of RFC 4302 counts words of 32 bits.
        const size_t unit = protocol_ == kIpv6Authentication ? 4 : 8;
        size += std::to_integer<size_t>(header[1]) * unit;
      }
      if (size > header.size()) return false;
      protocol_ = std::to_integer<uint8_t>(header[0]);
      length_ += size;
    }
    return !IsExtensionHeader(protocol_);
  }

  static bool IsExtensionHeader(uint8_t protocol) {
    return protocol == kIpv6HopByHop || protocol == kIpv6Routing ||
           protocol == kIpv6Fragment || protocol == kIpv6Destination ||
           protocol == kIpv6Authentication;
  }

  IpAddress Address(size_t offset) const {
    return IpAddress::V6(Field<Be64>(offset), Field<Be64>(offset + 8));
  }

  template <typename T>
  T Field(size_t offset) const {
    return Load<T>(bytes_.subspan(offset));
  }

  std::span<const std::byte> bytes_;
  size_t length_ = sizeof(Ipv6Header);
  uint8_t protocol_;
  bool is_later_fragment_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_IP_VIEW_H_
