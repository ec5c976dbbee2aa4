#ifndef FATHOM_BACKENDS_XDP_LINK_WATCH_H_
#define FATHOM_BACKENDS_XDP_LINK_WATCH_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/net/neighbor.h"
#include "src/net/netlink.h"

namespace fathom {

// How the interface is now, looked up anew by its index, since another may have
// its name. Not OK, and says why, if it was removed or is down...
absl::Status CheckPresent(const Interface& interface);
// ... or has no carrier.
absl::Status CheckCarrier(const Interface& interface);

// Tells when an interface is gone, for queues that have no socket on it: the
// kernel's news of links wake it up. One thread.
class LinkWatch {
 public:
  static absl::StatusOr<LinkWatch> Open(const Interface& interface);

  // Sleeps for `patience`, or until there are news of any link; then not OK,
  // and says why, if the interface is down or was removed.
  absl::Status Wait(Nanos patience);

 private:
  LinkWatch(Interface interface, NetlinkSocket news)
      : interface_(std::move(interface)), news_(std::move(news)) {}

  Interface interface_;
  NetlinkSocket news_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_LINK_WATCH_H_
