#include <unistd.h>

#include <array>
#include <climits>

#include "src/base/status_macros.h"
#include "src/doctor/finding.h"

namespace fathom::doctor {
namespace {

// In no private network, so that the route to it is the way out.
constexpr IpAddress kFarAway = IpAddress::V4(0x01010101);  // 1.1.1.1

absl::StatusOr<Interface> FindWay(const std::string& name) {
  if (!name.empty()) return FindInterface(name);
  FATHOM_ASSIGN_OR_RETURN(const Route route, FindRoute(kFarAway, 0));
  return FindInterface(route.interface_index);
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
