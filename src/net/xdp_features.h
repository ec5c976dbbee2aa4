#ifndef FATHOM_SRC_NET_XDP_FEATURES_H_
#define FATHOM_SRC_NET_XDP_FEATURES_H_

#include "absl/status/statusor.h"
#include "src/net/neighbor.h"

namespace fathom {

// What the driver of an interface can do with XDP now. It may change as
// programs come and go, at the other end of a veth pair too.
struct XdpFeatures {
  bool transmit = false;   // Frames that are not of its own rings.
  bool zero_copy = false;  // AF_XDP without a copy.
};

// Unimplemented before Linux 6.3, which does not tell.
absl::StatusOr<XdpFeatures> ReadXdpFeatures(const Interface& interface);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_XDP_FEATURES_H_
