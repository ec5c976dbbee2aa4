#include "src/lab/veth_peer.h"

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/neighbor.h"
#include "src/net/xdp_verdict.h"

namespace fathom::lab {

absl::Status PrepareVethPeer(const std::string& name) {
  FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(name));
  if (interface.driver != "veth") {
    return absl::InvalidArgumentError(
        absl::StrCat("interface ", name, ": is no veth"));
  }
  return AttachXdpVerdict(name, XdpVerdict::kPass);
}

}  // namespace fathom::lab
