#ifndef FATHOM_PREFIX_H_
#define FATHOM_PREFIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fathom/address.h"

namespace fathom {

// A prefix: an address whose bits past `length` are zero, and that length.
// IPv4 lengths are 0 to 32, IPv6 lengths 0 to 128.
class Prefix {
 public:
  constexpr Prefix() = default;

  // The prefix of `length` bits that holds `address`; host bits are cleared.
  // REQUIRES: length is at most 32 for IPv4, 128 for IPv6.
  Prefix(const IpAddress& address, uint8_t length);

  // Reads "192.0.2.0/24" or a bare address, which is its own prefix. nullopt
  // if the text is neither, or if host bits are set: "192.0.2.1/24" is more
  // often a mistake than a wish.
  static std::optional<Prefix> Parse(std::string_view text);

  std::string ToString() const;

  const IpAddress& first() const { return first_; }
  IpAddress last() const;
  uint8_t length() const { return length_; }
  Family family() const { return first_.family(); }

  bool Contains(const IpAddress& address) const {
    return first_ <= address && address <= last();
  }

  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  IpAddress first_;
  uint8_t length_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_PREFIX_H_
