// Where the responder in the kernel was not built in.

#include "absl/status/status.h"
#include "src/lab/xdp/responder.h"

namespace fathom::lab {

absl::StatusOr<std::unique_ptr<Responder>> OpenXdpResponder(
    const Scenario&, const ResponderOptions&) {
  return absl::UnimplementedError(
      "built without XDP; it takes clang and libbpf-dev");
}

}  // namespace fathom::lab
