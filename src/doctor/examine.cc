#include <unistd.h>

#include <array>
#include <climits>

#include "src/base/status_macros.h"
#include "src/doctor/finding.h"

namespace fathom::doctor {
namespace {

// In no private network, so that the route to it is the way out.
constexpr IpAddress kFarAway = IpAddress::V4(0x01010101);  // 1.1.1.1
constexpr IpAddress kFarAway6 =
    IpAddress::V6(0x2606'4700'4700'0000, 0x1111);  // 2606:4700:4700::1111

absl::StatusOr<Interface> FindWay(const std::string& name) {
  if (!name.empty()) return FindInterface(name);
  const auto route = FindRoute(kFarAway, 0);
  if (route.ok()) return FindInterface(route->interface_index);
  const auto route6 = FindRoute(kFarAway6, 0);
  if (!route6.ok()) return route.status();
  return FindInterface(route6->interface_index);
}

}  // namespace

Place FindPlace(const std::string& interface) {
  Place place;
  auto found = FindWay(interface);
  if (found.ok()) {
    place.interface = *std::move(found);
  } else {
    place.no_interface = std::string(found.status().message());
  }
  std::array<char, PATH_MAX> path = {};
  if (readlink("/proc/self/exe", path.data(), path.size() - 1) > 0) {
    place.program = path.data();
  }
  return place;
}

std::vector<Examined> Examine(const Place& place) {
  std::vector<Examined> all;
  for (const auto table :
       {PermissionChecks(), InterfaceChecks(), PathChecks(), MachineChecks()}) {
    for (const Check& check : table) {
      if (auto finding = check.look(place)) {
        all.push_back({check.name, *std::move(finding)});
      }
    }
  }
  return all;
}

}  // namespace fathom::doctor
