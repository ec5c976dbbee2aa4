#ifndef FATHOM_BACKENDS_WIRE_H_
#define FATHOM_BACKENDS_WIRE_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "fathom/packet_io.h"
#include "src/codec/headers.h"
#include "src/net/device_loss.h"
#include "src/net/neighbor.h"
#include "src/net/wall_clock.h"

namespace fathom {

// What all backends on an interface of the kernel share: the way out, the link
// header that follows from it, the clock, and what the device itself lost.
class WireBackend : public Backend {
 public:
  std::span<const std::byte> link_header() const final;
  IpAddress source() const final { return way_.source; }
  std::string Describe() const final;
  Instant Now() const final { return clock_.Now(); }

 protected:
  explicit WireBackend(WayOut way);

  // The way out that the options describe.
  static absl::StatusOr<WayOut> FindWay(const BackendOptions& options);

  const WayOut& way() const { return way_; }
  const Interface& interface() const { return way_.interface; }
  const WallClock& clock() const { return clock_; }

  // Adds what the device has lost since this was made.
  void AddDeviceLoss(BackendCounters& counters) const;

 private:
  const WayOut way_;
  const WallClock clock_;
  const DeviceLoss loss_before_;
  std::array<std::byte, sizeof(EthernetHeader)> link_header_{};
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_WIRE_H_
