#ifndef FATHOM_SRC_LAB_SERVABLE_H_
#define FATHOM_SRC_LAB_SERVABLE_H_

#include "absl/status/status.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// OK if nothing that is answered on this interface can come from outside: it
// is a veth, tun, tap or dummy, and no default route leads through it.
// PermissionDenied, with the reason, otherwise.
absl::Status CheckServable(const Interface& interface);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SERVABLE_H_
