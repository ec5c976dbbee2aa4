#include "src/lab/veth_peer.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

absl::Status PrepareVethPeer(const std::string& name) {
  FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(name));
  if (interface.driver != "veth") {
    return absl::InvalidArgumentError(
        absl::StrCat("interface ", name, ": is no veth"));
  }
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value = {.cmd = ETHTOOL_SGRO, .data = 1};
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (ioctl(socket.get(), SIOCETHTOOL, &request) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("interface ", name, ": turn on GRO"));
}

}  // namespace fathom::lab
