#ifndef FATHOM_SRC_NET_ICMP_EXTENSIONS_H_
#define FATHOM_SRC_NET_ICMP_EXTENSIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// What routers add to their ICMP errors, behind the quote: objects (RFC 4884),
// among them stacks of MPLS labels (RFC 4950) and the interfaces that the probe
// passed (RFC 5837). All calls take the objects one after the other as
// Reply::extensions holds them, and any bytes: what cannot be read ends the
// reading.

// An object: four bytes of length, class and type, then the payload.
struct ExtensionObject {
  uint8_t object_class = 0;
  uint8_t object_type = 0;
  std::span<const std::byte> payload{};
};
std::vector<ExtensionObject> ObjectsOf(std::span<const std::byte> objects);

// How many of the bytes are whole objects, at most `limit`.
size_t WholeObjects(std::span<const std::byte> objects, size_t limit);

// A label as the probe carried it when it arrived (RFC 3032).
struct MplsLabel {
  uint32_t label = 0;  // 20 bits.
  uint8_t traffic_class = 0;
  bool bottom = false;  // The last of its stack.
  uint8_t ttl = 0;

  friend bool operator==(const MplsLabel&, const MplsLabel&) = default;
};

// The labels of all label stacks, the outermost first.
std::vector<MplsLabel> MplsStackOf(std::span<const std::byte> objects);

// What RFC 5837 tells of an interface.
struct InterfaceInfo {
  enum class Role : uint8_t { kIncoming, kSubIp, kOutgoing, kNextHop };

  Role role = Role::kIncoming;
  std::optional<uint32_t> index{};  // ifIndex of RFC 2863.
  std::optional<IpAddress> address{};
  std::string name{};  // As sent, at most 63 bytes; empty if not told.
  std::optional<uint32_t> mtu{};
};

// nullopt if `object` is not of that class, or cannot be read.
std::optional<InterfaceInfo> InterfaceOf(const ExtensionObject& object);

// "24015/0/1/1 299/0/0/1": label, traffic class, bottom of stack and TTL of
// each label, the outermost first; empty if there is none.
std::string SpellMpls(std::span<const std::byte> objects);

// All objects, readable and on one line, "; " between: "mpls 24015/0/1/1",
// "incoming index 5 address 10.0.0.1 name \"ge-0/0/0\" mtu 1500", and what is
// not known as "object 3/1 0x0a0b". Bytes of names that are no printable ASCII
// are written as \xHH.
std::string SpellExtensions(std::span<const std::byte> objects);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_ICMP_EXTENSIONS_H_
