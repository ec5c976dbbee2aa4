#ifndef FATHOM_BENCH_PROBE_SOURCE_H_
#define FATHOM_BENCH_PROBE_SOURCE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "src/net/neighbor.h"

namespace fathom {

// Sends echo requests into 10.0.0.0/8 faster than any socket could: the kernel
// makes and sends them in one loop (BPF_F_TEST_XDP_LIVE_FRAMES).
class ProbeSource {
 public:
  virtual ~ProbeSource() = default;

  // Sends `count` probes; how many left.
  virtual absl::StatusOr<uint64_t> Send(uint32_t count) = 0;

  // Over `interface`, to the next hop `to`, from 198.18.0.1.
  static absl::StatusOr<std::unique_ptr<ProbeSource>> Open(
      const Interface& interface, const MacAddress& to);
};

}  // namespace fathom

#endif  // FATHOM_BENCH_PROBE_SOURCE_H_
