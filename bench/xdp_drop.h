#ifndef FATHOM_BENCH_XDP_DROP_H_
#define FATHOM_BENCH_XDP_DROP_H_

#include <string>

#include "absl/status/status.h"

namespace fathom {

// Makes an interface of this namespace drop all that comes in, as early and as
// cheaply as there is: by an XDP program of two instructions.
absl::Status AttachXdpDrop(const std::string& device);
absl::Status DetachXdp(const std::string& device);

}  // namespace fathom

#endif  // FATHOM_BENCH_XDP_DROP_H_
