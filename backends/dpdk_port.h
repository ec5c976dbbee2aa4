#ifndef FATHOM_BACKENDS_DPDK_PORT_H_
#define FATHOM_BACKENDS_DPDK_PORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/dpdk_device.h"
#include "backends/dpdk_health.h"
#include "backends/packet_rings.h"
#include "fathom/probe.h"
#include "src/net/neighbor.h"

struct rte_device;
struct rte_mempool;

namespace fathom {

// A port of DPDK that runs: as many pairs of queues as there are lanes, each
// with a pool of buffers of its own for either way. When it goes, the device
// is as before.
class DpdkPort {
 public:
  struct Options {
    DpdkDevice device;
    size_t lanes;
    size_t ring_frames;  // At most 32,768; rounded to what the driver takes.
  };

  // What the driver counts, since the port was opened.
  struct Counts {
    uint64_t rx_missed = 0;     // Found our queue full.
    uint64_t rx_errors = 0;     // Arrived broken.
    uint64_t rx_no_buffer = 0;  // Often later tried again, and not lost.
    uint64_t tx_errors = 0;
  };

  // InvalidArgument: the device has too few queues, or takes no such
  // arguments. Unavailable: it is not there, not bound to DPDK, or busy.
  static absl::StatusOr<std::unique_ptr<DpdkPort>> Open(const Options& options);

  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;
  // All buffers of its pools must be back.
  ~DpdkPort();

  uint16_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const MacAddress& mac() const { return mac_; }

  // The interface of the kernel below this port; 0 if there is none.
  int interface_index() const { return interface_index_; }
  // Whether the kernel has addresses there too, and answers for them.
  bool shared_with_kernel() const { return shared_with_kernel_; }
  // Whether the kernel's interface is the other end of this port.
  bool kernel_is_peer() const {
    return interface_index_ != 0 && !shared_with_kernel_;
  }

  rte_mempool* tx_pool(size_t lane) const { return lanes_[lane].tx; }
  rte_mempool* rx_pool(size_t lane) const { return lanes_[lane].rx; }
  DpdkHealth& health() const { return *health_; }

  Counts ReadCounts() const;

 private:
  struct Pools {
    rte_mempool* tx = nullptr;
    rte_mempool* rx = nullptr;
  };

  DpdkPort(uint16_t id, std::string name, bool plugged)
      : id_(id), name_(std::move(name)), plugged_(plugged) {}

  absl::Status Configure(const Options& options);
  absl::Status MakePools(uint16_t rx_frames, uint16_t tx_frames);
  absl::Status MakeQueues(uint16_t rx_frames, uint16_t tx_frames);
  absl::Status StartWithPeer(bool call_again);
  absl::Status Start(Nanos patience);
  void Stop();
  absl::Status Error(const char* what, int error) const;

  const uint16_t id_;
  const std::string name_;
  const bool plugged_;  // By us, and so to be unplugged.
  rte_device* device_ = nullptr;
  MacAddress mac_{};
  int interface_index_ = 0;
  bool shared_with_kernel_ = false;
  bool counts_by_sockets_ = false;
  bool started_ = false;
  std::vector<Pools> lanes_;
  std::unique_ptr<DpdkHealth> health_;
  std::optional<PacketRings> rings_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_PORT_H_
