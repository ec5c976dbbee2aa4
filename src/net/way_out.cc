#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/neighbor.h"

namespace fathom {
namespace {

const char* NameOf(Family family) {
  return family == Family::kIpv4 ? "IPv4" : "IPv6";
}

bool IsLinkLocal(const IpAddress& address) {
  return address.family() == Family::kIpv6 && address.high() >> 54 == 0x3fa;
}

// The family that is to be scanned; the default address is no target.
Family FamilyOf(const WayOutOptions& options) {
  if (options.toward != IpAddress()) return options.toward.family();
  if (options.source) return options.source->family();
  return options.gateway ? options.gateway->family() : Family::kIpv6;
}

// The source: the one given, or the kernel's choice for the way to the gateway,
// or for the way to the target, or any there is. Of IPv6 the first is often of
// the link only, as gateways are.
absl::StatusOr<IpAddress> FindSource(const WayOutOptions& options,
                                     const Interface& interface,
                                     const Route& route) {
  const Family family = FamilyOf(options);
  if (options.source) {
    if (options.source->family() == family) return *options.source;
    return absl::InvalidArgumentError(
        absl::StrCat("source ", options.source->ToString(),
                     ": the targets are ", NameOf(family)));
  }
  const auto fits = [&](const std::optional<IpAddress>& source) {
    return source && source->family() == family &&
           (!IsLinkLocal(*source) || IsLinkLocal(options.toward));
  };
  if (fits(route.source)) return *route.source;
  if (options.gateway && options.toward != IpAddress()) {
    const auto direct = FindRoute(options.toward, interface.index);
    if (direct.ok() && fits(direct->source)) return *direct->source;
  }
  FATHOM_ASSIGN_OR_RETURN(const auto any, FindGlobalAddress(interface, family));
  if (any) return *any;
  return absl::InvalidArgumentError(
      absl::StrCat("interface ", interface.name, " has no ",
                   family == Family::kIpv4 ? "IPv4" : "global IPv6",
                   " address; give one (--source)"));
}

absl::Status FindNextHopMac(const WayOutOptions& options, bool is_gateway,
                            WayOut* way) {
  if (!options.gateway_mac.empty()) {
    const auto mac = ParseMac(options.gateway_mac);
    if (!mac) {
      return absl::InvalidArgumentError(
          absl::StrCat("gateway MAC \"", options.gateway_mac,
                       "\": not of the form 02:00:00:00:00:01"));
    }
    way->next_hop_mac = *mac;
    return absl::OkStatus();
  }
  auto mac = FindNeighbor(way->interface, *way->next_hop, options.patience);
  if (absl::IsNotFound(mac.status())) {
    return absl::UnavailableError(
        absl::StrCat(is_gateway ? "gateway " : "on-link target ",
                     std::string(mac.status().message()), "; give ",
                     is_gateway ? "--gateway-mac" : "--gateway"));
  }
  FATHOM_ASSIGN_OR_RETURN(way->next_hop_mac, std::move(mac));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WayOut> FindWayOut(const WayOutOptions& options) {
  WayOut way;
  if (!options.device.empty()) {
    FATHOM_ASSIGN_OR_RETURN(way.interface, FindInterface(options.device));
    FATHOM_RETURN_IF_ERROR(CheckUsable(way.interface));
  }
  const IpAddress target = options.gateway.value_or(options.toward);
  if (target == IpAddress()) {
    return absl::InvalidArgumentError("find the way out: no target is given");
  }
  FATHOM_ASSIGN_OR_RETURN(const Route route,
                          FindRoute(target, way.interface.index));
  if (options.device.empty()) {
    FATHOM_ASSIGN_OR_RETURN(way.interface,
                            FindInterface(route.interface_index));
    FATHOM_RETURN_IF_ERROR(CheckUsable(way.interface));
  }
  FATHOM_ASSIGN_OR_RETURN(way.source,
                          FindSource(options, way.interface, route));
  if (way.interface.loopback || way.interface.link_layer == LinkLayer::kNone) {
    return way;
  }
  const auto gateway = options.gateway ? options.gateway : route.gateway;
  way.next_hop = gateway.value_or(target);
  FATHOM_RETURN_IF_ERROR(FindNextHopMac(options, gateway.has_value(), &way));
  return way;
}

}  // namespace fathom
