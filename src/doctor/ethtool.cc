#include "src/doctor/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

#include "src/base/unique_fd.h"

namespace fathom::doctor {
namespace {

// Asks with and is answered in `question`.
template <typename Question>
bool Ask(const Interface& interface, Question& question) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  interface.name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&question);
  return ioctl(fd.get(), SIOCETHTOOL, &request) == 0;
}

}  // namespace

std::optional<std::string> DriverOf(const Interface& interface) {
  ethtool_drvinfo information = {};
  information.cmd = ETHTOOL_GDRVINFO;
  if (!Ask(interface, information)) return std::nullopt;
  information.driver[sizeof information.driver - 1] = '\0';
  return information.driver;
}

std::optional<Used> ReceiveBuffersOf(const Interface& interface) {
  ethtool_ringparam ring = {};
  ring.cmd = ETHTOOL_GRINGPARAM;
  if (!Ask(interface, ring) || ring.rx_max_pending == 0) return std::nullopt;
  return Used{.now = ring.rx_pending, .most = ring.rx_max_pending};
}

std::optional<Used> QueuesOf(const Interface& interface) {
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!Ask(interface, channels)) return std::nullopt;
  return Used{.now = channels.rx_count + channels.combined_count,
              .most = std::max(channels.max_rx, channels.max_combined)};
}

std::optional<bool> CollectsPackets(const Interface& interface) {
  ethtool_value value = {};
  value.cmd = ETHTOOL_GGRO;
  if (!Ask(interface, value)) return std::nullopt;
  return value.data != 0;
}

std::optional<bool> MergesPackets(const Interface& interface) {
  ethtool_value flags = {};
  flags.cmd = ETHTOOL_GFLAGS;
  if (!Ask(interface, flags)) return std::nullopt;
  return (flags.data & ETH_FLAG_LRO) != 0;
}

}  // namespace fathom::doctor
