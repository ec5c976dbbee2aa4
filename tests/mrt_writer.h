#ifndef FATHOM_TESTS_MRT_WRITER_H_
#define FATHOM_TESTS_MRT_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "fathom/prefix.h"

namespace fathom {

// Dumps of routes as RFC 6396 has them, for tests.

inline std::string BigEndianBytes(uint64_t value, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) {
    bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

inline std::string MrtRecord(int type, int subtype, const std::string& body) {
  return BigEndianBytes(1'700'000'000, 4) + BigEndianBytes(type, 2) +
         BigEndianBytes(subtype, 2) + BigEndianBytes(body.size(), 4) + body;
}

inline std::string AddressBytesOf(const IpAddress& address) {
  if (address.family() == Family::kIpv4) {
    return BigEndianBytes(address.v4(), 4);
  }
  return BigEndianBytes(address.high(), 8) + BigEndianBytes(address.low(), 8);
}

struct Segment {
  int type;  // 1: a set, 2: a sequence.
  std::vector<uint32_t> ases;
};

inline std::string PathAttribute(const std::vector<Segment>& segments,
                                 int asn_size, int type = 2) {
  std::string path;
  for (const Segment& segment : segments) {
    path += static_cast<char>(segment.type);
    path += static_cast<char>(segment.ases.size());
    for (const uint32_t asn : segment.ases) {
      path += BigEndianBytes(asn, asn_size);
    }
  }
  // ORIGIN before it, as it is in true dumps; lengths in one byte and in two.
  return std::string("\x40\x01\x01\x00", 4) + "\x50" + static_cast<char>(type) +
         BigEndianBytes(path.size(), 2) + path;
}

inline std::string PeerTable(const std::vector<uint32_t>& ases) {
  std::string body = BigEndianBytes(1, 4) + BigEndianBytes(4, 2) + "view" +
                     BigEndianBytes(ases.size(), 2);
  for (size_t i = 0; i < ases.size(); ++i) {
    // Of all four kinds: either family, either size of number.
    const bool v6 = i % 2 == 1, wide = ases[i] > 65535 || i % 3 == 0;
    body += static_cast<char>((v6 ? 1 : 0) | (wide ? 2 : 0));
    body += BigEndianBytes(i, 4) + std::string(v6 ? 16 : 4, '\1') +
            BigEndianBytes(ases[i], wide ? 4 : 2);
  }
  return MrtRecord(13, 1, body);
}

struct Route {
  int peer;
  std::string attributes;
};

inline std::string RibRecord(const Prefix& prefix,
                             const std::vector<Route>& routes,
                             bool paths = false) {
  const bool v6 = prefix.family() == Family::kIpv6;
  std::string body =
      BigEndianBytes(7, 4) + static_cast<char>(prefix.length()) +
      AddressBytesOf(prefix.first()).substr(0, (prefix.length() + 7) / 8) +
      BigEndianBytes(routes.size(), 2);
  for (const Route& route : routes) {
    body += BigEndianBytes(route.peer, 2) + BigEndianBytes(1, 4) +
            (paths ? BigEndianBytes(3, 4) : "") +
            BigEndianBytes(route.attributes.size(), 2) + route.attributes;
  }
  return MrtRecord(13, (v6 ? 4 : 2) + (paths ? 6 : 0), body);
}

inline std::string OldRibRecord(const Prefix& prefix, uint32_t peer,
                                const std::string& attributes) {
  const bool v6 = prefix.family() == Family::kIpv6;
  return MrtRecord(12, v6 ? 2 : 1,
                   BigEndianBytes(0, 4) + AddressBytesOf(prefix.first()) +
                       static_cast<char>(prefix.length()) + "\1" +
                       BigEndianBytes(1, 4) + std::string(v6 ? 16 : 4, '\2') +
                       BigEndianBytes(peer, 2) +
                       BigEndianBytes(attributes.size(), 2) + attributes);
}

}  // namespace fathom

#endif  // FATHOM_TESTS_MRT_WRITER_H_
