#ifndef FATHOM_SRC_NET_SPECIAL_PURPOSE_H_
#define FATHOM_SRC_NET_SPECIAL_PURPOSE_H_

#include <cstdint>
#include <span>
#include <string>

#include "fathom/address.h"
#include "fathom/prefix.h"
#include "src/net/prefix_set.h"

namespace fathom {

// The addresses that are no place on the internet: private, shared,
// documentation, multicast and reserved space. A scan of the internet has no
// business there, so they are cut out of every scan that does not ask for
// them.
//
// The blocks are those of the IANA IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890, RFC 8190) that are not marked as globally reachable,
// and multicast.

// The registries' own "last updated" date, of the versions written down here.
inline constexpr const char* kSpecialPurposeAsOf = "2025-10-09";

// One entry of the registry.
struct SpecialPurposeBlock {
  IpAddress first;
  uint8_t length;  // Of the prefix, in bits.
  const char* name;
  const char* source;  // The document that set it aside.

  Prefix prefix() const { return Prefix(first, length); }
  // "10.0.0.0/8 (Private-Use, RFC 1918)".
  std::string ToString() const;
};

// All blocks, IPv4 first; of each family ascending, wider before narrower. Some
// lie inside others.
std::span<const SpecialPurposeBlock> SpecialPurposeBlocks();

// The addresses in any of the blocks.
PrefixSet SpecialPurposeSet();

}  // namespace fathom

#endif  // FATHOM_SRC_NET_SPECIAL_PURPOSE_H_
