#include "src/net/special_purpose.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace fathom {
namespace {

constexpr IpAddress V4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return IpAddress::V4(a << 24 | b << 16 | c << 8 | d);
}
constexpr IpAddress V6(uint64_t high, uint64_t low = 0) {
  return IpAddress::V6(high, low);
}

// Not here: the entries that are globally reachable, which are the AS112
// services (192.31.196.0/24, 192.175.48.0/24) and AMT (192.52.193.0/24).
// 192.0.0.9 and 192.0.0.10 (PCP and TURN anycast) are so too, but stand in
// 192.0.0.0/24 and are answered by the local network if at all; they are left
// covered. 192.88.99.0/24 is neither reachable nor unreachable in the
// registry; it is deprecated, so it is cut out. Multicast has a registry of
// its own.
//
// Of IPv6 likewise: not here are the translated addresses (64:ff9b::/96) and
// AS112 (2620:4f:8000::/48), which are reachable. Those inside 2001::/23 that
// are so too (anycast of PCP, TURN and SRP, AMT, AS112, ORCHIDv2, drones) are
// left covered; so are Teredo and 6to4, which are neither and deprecated.
// ::ffff:0:0/96 is IPv4 here, and stands above.
constexpr SpecialPurposeBlock kBlocks[] = {
    {V4(0, 0, 0, 0), 8, "\"This network\"", "RFC 791"},
    {V4(0, 0, 0, 0), 32, "\"This host on this network\"", "RFC 1122"},
    {V4(10, 0, 0, 0), 8, "Private-Use", "RFC 1918"},
    {V4(100, 64, 0, 0), 10, "Shared Address Space", "RFC 6598"},
    {V4(127, 0, 0, 0), 8, "Loopback", "RFC 1122"},
    {V4(169, 254, 0, 0), 16, "Link Local", "RFC 3927"},
    {V4(172, 16, 0, 0), 12, "Private-Use", "RFC 1918"},
    {V4(192, 0, 0, 0), 24, "IETF Protocol Assignments", "RFC 6890"},
    {V4(192, 0, 0, 0), 29, "IPv4 Service Continuity Prefix", "RFC 7335"},
    {V4(192, 0, 0, 8), 32, "IPv4 dummy address", "RFC 7600"},
    {V4(192, 0, 0, 170), 32, "NAT64/DNS64 Discovery", "RFC 8880"},
    {V4(192, 0, 0, 171), 32, "NAT64/DNS64 Discovery", "RFC 8880"},
    {V4(192, 0, 2, 0), 24, "Documentation (TEST-NET-1)", "RFC 5737"},
    {V4(192, 88, 99, 0), 24, "Deprecated (6to4 Relay Anycast)", "RFC 7526"},
    {V4(192, 88, 99, 2), 32, "6a44-relay anycast address", "RFC 6751"},
    {V4(192, 168, 0, 0), 16, "Private-Use", "RFC 1918"},
    {V4(198, 18, 0, 0), 15, "Benchmarking", "RFC 2544"},
    {V4(198, 51, 100, 0), 24, "Documentation (TEST-NET-2)", "RFC 5737"},
    {V4(203, 0, 113, 0), 24, "Documentation (TEST-NET-3)", "RFC 5737"},
    {V4(224, 0, 0, 0), 4, "Multicast", "RFC 5771"},
    {V4(240, 0, 0, 0), 4, "Reserved", "RFC 1112"},
    {V4(255, 255, 255, 255), 32, "Limited Broadcast", "RFC 919"},
    {V6(0, 0), 128, "Unspecified Address", "RFC 4291"},
    {V6(0, 1), 128, "Loopback Address", "RFC 4291"},
    {V6(0x0064'ff9b'0001'0000), 48, "IPv4-IPv6 Translation", "RFC 8215"},
    {V6(0x0100'0000'0000'0000), 64, "Discard-Only", "RFC 6666"},
    {V6(0x0100'0000'0000'0001), 64, "Dummy IPv6 Prefix", "RFC 9780"},
    {V6(0x2001'0000'0000'0000), 23, "IETF Protocol Assignments", "RFC 2928"},
    {V6(0x2001'0000'0000'0000), 32, "Teredo", "RFC 4380"},
    {V6(0x2001'0002'0000'0000), 48, "Benchmarking", "RFC 5180"},
    {V6(0x2001'0010'0000'0000), 28, "Deprecated (ORCHID)", "RFC 4843"},
    {V6(0x2001'0db8'0000'0000), 32, "Documentation", "RFC 3849"},
    {V6(0x2002'0000'0000'0000), 16, "6to4", "RFC 3056"},
    {V6(0x3fff'0000'0000'0000), 20, "Documentation", "RFC 9637"},
    {V6(0x5f00'0000'0000'0000), 16, "Segment Routing (SRv6)", "RFC 9602"},
    {V6(0xfc00'0000'0000'0000), 7, "Unique-Local", "RFC 4193"},
    {V6(0xfe80'0000'0000'0000), 10, "Link-Local Unicast", "RFC 4291"},
    {V6(0xff00'0000'0000'0000), 8, "Multicast", "RFC 4291"},
};

}  // namespace

std::string SpecialPurposeBlock::ToString() const {
  return absl::StrCat(prefix().ToString(), " (", name, ", ", source, ")");
}

std::span<const SpecialPurposeBlock> SpecialPurposeBlocks() { return kBlocks; }

PrefixSet SpecialPurposeSet() {
  std::vector<Prefix> prefixes;
  for (const SpecialPurposeBlock& block : kBlocks) {
    prefixes.push_back(block.prefix());
  }
  return PrefixSet::FromPrefixes(prefixes);
}

}  // namespace fathom
