#include "fathom/prefix.h"

#include <cassert>
#include <charconv>

namespace fathom {
namespace {

constexpr uint8_t Bits(Family family) {
  return family == Family::kIpv4 ? 32 : 128;
}

// The ones below the first `length` of 128 bits, as two halves.
struct HostMask {
  uint64_t high;
  uint64_t low;
};

constexpr HostMask MaskAfter(unsigned length) {
  constexpr uint64_t kAll = ~uint64_t{0};
  if (length == 0) return {kAll, kAll};
  if (length < 64) return {kAll >> length, kAll};
  if (length == 64) return {0, kAll};
  return {0, length == 128 ? 0 : kAll >> (length - 64)};
}

// A v4-mapped address has 96 bits before the first of its own.
constexpr HostMask MaskAfter(Family family, uint8_t length) {
  return MaskAfter(length + 128U - Bits(family));
}

}  // namespace

Prefix::Prefix(const IpAddress& address, uint8_t length) : length_(length) {
  assert(length <= Bits(address.family()));
  const HostMask host = MaskAfter(address.family(), length);
  first_ =
      IpAddress::V6(address.high() & ~host.high, address.low() & ~host.low);
}

IpAddress Prefix::last() const {
  const HostMask host = MaskAfter(family(), length_);
  return IpAddress::V6(first_.high() | host.high, first_.low() | host.low);
}

std::optional<Prefix> Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const uint8_t bits = Bits(address->family());
  if (slash == text.npos) return Prefix(*address, bits);

  const std::string_view digits = text.substr(slash + 1);
  uint8_t length = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, length);
  if (error != std::errc() || stop != end || length > bits) return std::nullopt;
  const Prefix prefix(*address, length);
  if (prefix.first() != *address) return std::nullopt;
  return prefix;
}

std::string Prefix::ToString() const {
  return first_.ToString() + "/" + std::to_string(length_);
}

}  // namespace fathom
