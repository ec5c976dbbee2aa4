#include "fathom/address.h"

#include <arpa/inet.h>

#include <array>

#include "src/base/bytes.h"

namespace fathom {

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  // inet_pton wants a terminated string; no address is longer than this.
  std::array<char, INET6_ADDRSTRLEN> terminated;
  if (text.size() >= terminated.size()) return std::nullopt;
  text.copy(terminated.data(), text.size());
  terminated[text.size()] = '\0';
  if (text.find('\0') != text.npos) return std::nullopt;

  std::array<std::byte, 16> bytes;
  if (inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) {
    return V4(Load<Be32>(bytes));
  }
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) {
    return V6(Load<BigEndian<uint64_t>>(bytes),
              Load<BigEndian<uint64_t>>(std::span(bytes).subspan(8)));
  }
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text;
  std::array<std::byte, 16> bytes;
  const bool v4 = family() == Family::kIpv4;
  if (v4) {
    Store(Be32(this->v4()), bytes);
  } else {
    Store(BigEndian<uint64_t>(high_), bytes);
    Store(BigEndian<uint64_t>(low_), std::span(bytes).subspan(8));
  }
  // Cannot fail: the family is known and the buffer is large enough.
  return inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text.data(),
                   text.size());
}

}  // namespace fathom
