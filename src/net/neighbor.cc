#include "src/net/neighbor.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/netlink.h"

namespace fathom {
namespace {

using Bytes = std::span<const std::byte>;

template <typename T>
Bytes BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// An address as netlink carries it.
class RawAddress {
 public:
  explicit RawAddress(const IpAddress& address) {
    if (address.family() == Family::kIpv4) {
      Store(Be32(address.v4()), bytes_);
      size_ = 4;
    } else {
      Store(BigEndian<uint64_t>(address.high()), bytes_);
      Store(BigEndian<uint64_t>(address.low()), std::span(bytes_).subspan(8));
      size_ = 16;
    }
  }

  Bytes bytes() const { return Bytes(bytes_).first(size_); }
  uint8_t family() const { return size_ == 4 ? AF_INET : AF_INET6; }

 private:
  std::array<std::byte, 16> bytes_{};
  size_t size_;
};

std::optional<IpAddress> AsAddress(const std::optional<Bytes>& value) {
  if (!value) return std::nullopt;
  if (value->size() == 4) return IpAddress::V4(Load<Be32>(*value));
  if (value->size() != 16) return std::nullopt;
  return IpAddress::V6(Load<BigEndian<uint64_t>>(*value),
                       Load<BigEndian<uint64_t>>(value->subspan(8)));
}

std::optional<MacAddress> AsMac(const std::optional<Bytes>& value) {
  if (!value || value->size() != sizeof(MacAddress)) return std::nullopt;
  return Load<MacAddress>(*value);
}

// The gateway of a route: one of its own family, or (RFC 5549) of another.
std::optional<IpAddress> GatewayOf(const NetlinkMessage& message) {
  if (const auto gateway = message.Find(sizeof(rtmsg), RTA_GATEWAY)) {
    return AsAddress(gateway);
  }
  const auto via = message.Find(sizeof(rtmsg), RTA_VIA);
  if (!via || via->size() < sizeof(uint16_t)) return std::nullopt;
  return AsAddress(via->subspan(sizeof(uint16_t)));
}

absl::StatusOr<Interface> ReadInterface(const NetlinkMessage& message) {
  const auto header = message.header<ifinfomsg>();
  if (!header) return absl::DataLossError("netlink: interface cut short");
  const auto find = [&message](uint16_t attribute) {
    return message.Find(sizeof(ifinfomsg), attribute);
  };
  Interface found;
  found.index = header->ifi_index;
  found.name = AsText(find(IFLA_IFNAME));
  if (const auto info = find(IFLA_LINKINFO)) {
    found.driver = AsText(FindAttribute(*info, IFLA_INFO_KIND));
  }
  found.mac = AsMac(find(IFLA_ADDRESS)).value_or(MacAddress{});
  found.mtu = AsInteger<uint32_t>(find(IFLA_MTU)).value_or(0);
  found.peer_index = AsInteger<int>(find(IFLA_LINK)).value_or(0);
  found.loopback = header->ifi_type == ARPHRD_LOOPBACK;
  found.up = (header->ifi_flags & IFF_UP) != 0;
  found.running = (header->ifi_flags & IFF_LOWER_UP) != 0;
  if (header->ifi_type == ARPHRD_NONE) {
    found.link_layer = LinkLayer::kNone;
  } else if (header->ifi_type != ARPHRD_ETHER && !found.loopback) {
    return absl::UnimplementedError(
        absl::StrCat("interface ", found.name, ": neither Ethernet nor tun (",
                     "ARPHRD type ", header->ifi_type, ")"));
  }
  return found;
}

// `label` is how the interface was called, for the error.
absl::StatusOr<Interface> AskForInterface(NetlinkRequest request,
                                          const std::string& label) {
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  const auto messages = netlink.Ask(std::move(request));
  if (!messages.ok()) {
    const int error = ErrnoOf(messages.status());
    if (error == 0) return messages.status();
    // A name that cannot be one is a name that no device has.
    if (error == EINVAL || error == ERANGE || error == ENODEV) {
      return absl::NotFoundError(
          absl::StrCat("interface ", label, ": no such device"));
    }
    return absl::ErrnoToStatus(error, absl::StrCat("interface ", label));
  }
  if (messages->empty()) return absl::DataLossError("netlink: no interface");
  return ReadInterface(messages->front());
}

NetlinkRequest NeighborRequest(uint16_t type, uint16_t flags, uint8_t use,
                               int interface_index, const RawAddress& address) {
  ndmsg header = {};
  header.ndm_family = address.family();
  header.ndm_ifindex = interface_index;
  header.ndm_flags = use;
  NetlinkRequest request(type, flags, header);
  request.Add(NDA_DST, address.bytes());
  return request;
}

// The MAC that the cache holds now; nullopt if it holds none that is good.
absl::StatusOr<std::optional<MacAddress>> LookInCache(
    NetlinkSocket& netlink, int interface_index, const RawAddress& address) {
  constexpr uint16_t kGood = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE |
                             NUD_STALE | NUD_DELAY | NUD_PROBE;
  const auto messages = netlink.Ask(
      NeighborRequest(RTM_GETNEIGH, 0, 0, interface_index, address));
  if (!messages.ok()) {
    if (ErrnoOf(messages.status()) == ENOENT) return std::nullopt;
    return messages.status();
  }
  if (messages->empty()) return std::nullopt;
  const NetlinkMessage& message = messages->front();
  const auto header = message.header<ndmsg>();
  if (!header || (header->ndm_state & kGood) == 0) return std::nullopt;
  return AsMac(message.Find(sizeof(ndmsg), NDA_LLADDR));
}

// A descriptor that becomes readable once `patience` has passed.
absl::StatusOr<UniqueFd> MakeTimer(Nanos patience) {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  // Zero would mean never.
  const auto nanos = std::max(patience, Nanos(1)).count();
  itimerspec when = {};
  when.it_value.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
  when.it_value.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  if (!timer.valid() || timerfd_settime(timer.get(), 0, &when, nullptr) != 0) {
    return absl::ErrnoToStatus(errno, "make timer");
  }
  return timer;
}

}  // namespace

std::optional<MacAddress> ParseMac(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  MacAddress mac;
  if (text.size() != 3 * mac.size() - 1) return std::nullopt;
  for (size_t i = 0; i < mac.size(); ++i) {
    const int high = digit(text[3 * i]);
    const int low = digit(text[3 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
    mac[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return mac;
}

std::string MacToString(const MacAddress& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                         mac[2], mac[3], mac[4], mac[5]);
}

absl::StatusOr<Interface> FindInterface(const std::string& name) {
  NetlinkRequest request(RTM_GETLINK, 0, ifinfomsg{});
  // With its terminator, and whole: a long name must not become another.
  request.Add(IFLA_IFNAME,
              std::as_bytes(std::span(name.c_str(), name.size() + 1)));
  return AskForInterface(std::move(request), name);
}

absl::StatusOr<Interface> FindInterface(int index) {
  ifinfomsg header = {};
  header.ifi_index = index;
  return AskForInterface(NetlinkRequest(RTM_GETLINK, 0, header),
                         absl::StrCat("#", index));
}

absl::Status CheckUsable(const Interface& interface) {
  if (!interface.up) {
    return absl::UnavailableError(
        absl::StrCat("interface ", interface.name, " is down"));
  }
  if (!interface.running) {
    return absl::UnavailableError(
        absl::StrCat("interface ", interface.name, " has no carrier"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Route> FindRoute(const IpAddress& destination,
                                int interface_index) {
  const RawAddress raw(destination);
  rtmsg header = {};
  header.rtm_family = raw.family();
  header.rtm_dst_len = static_cast<uint8_t>(8 * raw.bytes().size());
  NetlinkRequest request(RTM_GETROUTE, 0, header);
  request.Add(RTA_DST, raw.bytes());
  if (interface_index != 0) request.Add(RTA_OIF, BytesOf(interface_index));

  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  const auto messages = netlink.Ask(std::move(request));
  if (!messages.ok()) {
    const int error = ErrnoOf(messages.status());
    if (error == 0) return messages.status();
    const std::string what =
        absl::StrCat("no route to ", destination.ToString());
    if (error == ENETUNREACH) return absl::UnavailableError(what);
    // With the reason, but one code for all reasons.
    return absl::UnavailableError(absl::ErrnoToStatus(error, what).message());
  }
  if (messages->empty() || !messages->front().header<rtmsg>()) {
    return absl::DataLossError("netlink: route cut short");
  }
  const NetlinkMessage& message = messages->front();
  Route route;
  route.interface_index =
      AsInteger<int>(message.Find(sizeof(rtmsg), RTA_OIF)).value_or(0);
  route.source = AsAddress(message.Find(sizeof(rtmsg), RTA_PREFSRC));
  route.gateway = GatewayOf(message);
  return route;
}

absl::StatusOr<MacAddress> FindNeighbor(const Interface& interface,
                                        const IpAddress& address,
                                        Nanos patience) {
  const RawAddress raw(address);
  // The news are subscribed to first, so that none is missed.
  FATHOM_ASSIGN_OR_RETURN(auto news, NetlinkSocket::Open(RTMGRP_NEIGH));
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  FATHOM_ASSIGN_OR_RETURN(auto mac, LookInCache(netlink, interface.index, raw));
  if (mac) return *mac;

  FATHOM_ASSIGN_OR_RETURN(const UniqueFd timer, MakeTimer(patience));
  auto asked = netlink.Ask(NeighborRequest(
      RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, NTF_USE, interface.index, raw));
  if (ErrnoOf(asked.status()) == EPERM) {
    return absl::PermissionDeniedError(
        absl::StrCat("ask for the MAC of ", address.ToString(),
                     ": needs CAP_NET_ADMIN; or give --gateway-mac"));
  }
  FATHOM_RETURN_IF_ERROR(asked.status());
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(mac, LookInCache(netlink, interface.index, raw));
    if (mac) return *mac;
    std::array<pollfd, 2> waited = {pollfd{news.fd(), POLLIN, 0},
                                    pollfd{timer.get(), POLLIN, 0}};
    if (poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "wait for netlink");
    }
    if (waited[1].revents != 0) {
      return absl::NotFoundError(absl::StrCat(
          address.ToString(), " does not answer ",
          raw.family() == AF_INET ? "ARP" : "ND", " on ", interface.name));
    }
    news.Discard();
  }
}

absl::StatusOr<std::optional<IpAddress>> FindGlobalAddress(
    const Interface& interface, Family family) {
  constexpr uint32_t kUnfit = IFA_F_TENTATIVE | IFA_F_DEPRECATED;
  ifaddrmsg asked = {};
  asked.ifa_family = family == Family::kIpv4 ? AF_INET : AF_INET6;
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  FATHOM_ASSIGN_OR_RETURN(
      const auto messages,
      netlink.Ask(NetlinkRequest(RTM_GETADDR, NLM_F_DUMP, asked)));
  for (const NetlinkMessage& message : messages) {
    const auto header = message.header<ifaddrmsg>();
    if (!header || static_cast<int>(header->ifa_index) != interface.index ||
        header->ifa_scope != RT_SCOPE_UNIVERSE ||
        (header->ifa_flags & kUnfit) != 0) {
      continue;
    }
    const auto find = [&message](uint16_t attribute) {
      return AsAddress(message.Find(sizeof(ifaddrmsg), attribute));
    };
    // On a link of two ends the other is IFA_ADDRESS.
    const auto local = find(IFA_LOCAL);
    const auto address = local ? local : find(IFA_ADDRESS);
    if (address && address->family() == family) return address;
  }
  return std::nullopt;
}

}  // namespace fathom
