#ifndef FATHOM_ADDRESS_H_
#define FATHOM_ADDRESS_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fathom {

enum class Family : uint8_t { kIpv4, kIpv6 };

// An IP address of either family: a plain value of 16 bytes in host byte
// order. IPv4 is held in its v4-mapped form (::ffff:0:0/96, RFC 4291), so one
// code path serves both families and IPv4 sorts as its number does.
class IpAddress {
 public:
  constexpr IpAddress() = default;

  // The IPv4 address whose number is `value`, most significant octet first:
  // V4(0x0a000001) is 10.0.0.1.
  static constexpr IpAddress V4(uint32_t value) {
    return IpAddress(0, kMapped | value);
  }

  static constexpr IpAddress V6(uint64_t high, uint64_t low) {
    return IpAddress(high, low);
  }

  // Reads dotted-quad IPv4 or RFC 4291 IPv6 text; nullopt if `text` is
  // neither. Nothing may stand before or after the address.
  static std::optional<IpAddress> Parse(std::string_view text);

  // Dotted-quad, or RFC 5952 for IPv6.
  std::string ToString() const;

  constexpr Family family() const {
    return high_ == 0 && (low_ >> 32) == kMapped >> 32 ? Family::kIpv4
                                                       : Family::kIpv6;
  }

  // The IPv4 number. REQUIRES: family() is kIpv4.
  constexpr uint32_t v4() const { return static_cast<uint32_t>(low_); }

  constexpr uint64_t high() const { return high_; }
  constexpr uint64_t low() const { return low_; }

  friend constexpr auto operator<=>(const IpAddress&,
                                    const IpAddress&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const IpAddress& address) {
    return H::combine(std::move(state), address.high_, address.low_);
  }

 private:
  static constexpr uint64_t kMapped = 0xffff'0000'0000;

  constexpr IpAddress(uint64_t high, uint64_t low) : high_(high), low_(low) {}

  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_ADDRESS_H_
