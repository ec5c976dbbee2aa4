#include "src/net/xdp_features.h"

#include <linux/genetlink.h>

#include <cstdint>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/netlink.h"

namespace fathom {
namespace {

// Of linux/netdev.h, which is younger than Debian's headers.
constexpr char kFamily[] = "netdev";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kDeviceGet = 1;
constexpr uint16_t kInterfaceIndex = 1;
constexpr uint16_t kXdpFeatures = 3;
constexpr uint64_t kTransmit = 1 << 2;
constexpr uint64_t kZeroCopy = 1 << 3;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// Generic netlink numbers its families anew with each boot.
absl::StatusOr<uint16_t> FindFamily(NetlinkSocket& netlink) {
  const genlmsghdr header = {
      .cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0};
  NetlinkRequest request(GENL_ID_CTRL, 0, header);
  request.Add(CTRL_ATTR_FAMILY_NAME, std::as_bytes(std::span(kFamily)));
  const auto answers = netlink.Ask(std::move(request));
  if (answers.ok() && !answers->empty()) {
    const auto id = AsInteger<uint16_t>(
        answers->front().Find(sizeof header, CTRL_ATTR_FAMILY_ID));
    if (id) return *id;
  }
  return absl::UnimplementedError("this kernel does not tell XDP features");
}

}  // namespace

absl::StatusOr<XdpFeatures> ReadXdpFeatures(const Interface& interface) {
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::OpenGeneric());
  FATHOM_ASSIGN_OR_RETURN(const uint16_t family, FindFamily(netlink));
  const genlmsghdr header = {
      .cmd = kDeviceGet, .version = kVersion, .reserved = 0};
  NetlinkRequest request(family, 0, header);
  request.Add(kInterfaceIndex, BytesOf(interface.index));
  FATHOM_ASSIGN_OR_RETURN(const auto answers, netlink.Ask(std::move(request)));
  std::optional<uint64_t> features;
  if (!answers.empty()) {
    features =
        AsInteger<uint64_t>(answers.front().Find(sizeof header, kXdpFeatures));
  }
  if (!features) {
    return absl::UnimplementedError(
        absl::StrCat("interface ", interface.name, ": tells no XDP features"));
  }
  return XdpFeatures{.transmit = (*features & kTransmit) != 0,
                     .zero_copy = (*features & kZeroCopy) != 0};
}

}  // namespace fathom
