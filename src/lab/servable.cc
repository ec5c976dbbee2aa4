#include "src/lab/servable.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/netlink.h"

namespace fathom::lab {
namespace {

using Bytes = std::span<const std::byte>;

// Whether one of the ways of a route leads through the interface: it has one,
// or a list of next hops.
bool LeadsThrough(const NetlinkMessage& route, int index) {
  const auto out = AsInteger<int>(route.Find(sizeof(rtmsg), RTA_OIF));
  if (out) return *out == index;
  Bytes hops = route.Find(sizeof(rtmsg), RTA_MULTIPATH).value_or(Bytes());
  while (hops.size() >= sizeof(rtnexthop)) {
    const auto hop = Load<rtnexthop>(hops);
    if (hop.rtnh_ifindex == index) return true;
    const size_t step = RTNH_ALIGN(hop.rtnh_len);
    if (step < sizeof hop || step > hops.size()) return false;
    hops = hops.subspan(step);
  }
  return false;
}

absl::StatusOr<bool> HasDefaultRoute(const Interface& interface) {
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    rtmsg header = {};
    header.rtm_family = family;
    FATHOM_ASSIGN_OR_RETURN(
        const auto routes,
        netlink.Ask(NetlinkRequest(RTM_GETROUTE, NLM_F_DUMP, header)));
    for (const NetlinkMessage& route : routes) {
      const auto about = route.header<rtmsg>();
      if (about && about->rtm_dst_len == 0 && about->rtm_type == RTN_UNICAST &&
          LeadsThrough(route, interface.index)) {
        return true;
      }
    }
  }
  return false;
}

absl::Status Refusal(const Interface& interface, const char* why) {
  return absl::PermissionDeniedError(
      absl::StrCat("interface ", interface.name, ": ", why,
                   "; scripts/lab makes an interface for the lab"));
}

}  // namespace

absl::Status CheckServable(const Interface& interface) {
  if (interface.driver != "veth" && interface.driver != "tun" &&
      interface.driver != "dummy") {
    return Refusal(interface,
                   "not a veth, tun, tap or dummy, so the lab would answer "
                   "what comes from outside");
  }
  FATHOM_ASSIGN_OR_RETURN(const bool way_out, HasDefaultRoute(interface));
  if (way_out) {
    return Refusal(interface,
                   "the default route leads through it, so it serves others");
  }
  return absl::OkStatus();
}

}  // namespace fathom::lab
