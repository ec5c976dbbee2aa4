#ifndef FATHOM_BACKENDS_DPDK_HEALTH_H_
#define FATHOM_BACKENDS_DPDK_HEALTH_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "fathom/probe.h"

namespace fathom {

// Whether a port of DPDK can still send and receive. Bursts never say so: they
// move nothing, or pretend to. So the queues ask here each time they are used,
// which costs a comparison, and now and then the device itself is asked.
//
// Once lost, a port stays lost. Any thread may ask.
class DpdkHealth {
 public:
  // `interface_index`: of the kernel's interface below the port; 0 if it has
  // none.
  DpdkHealth(uint16_t port, std::string name, int interface_index);
  DpdkHealth(const DpdkHealth&) = delete;
  DpdkHealth& operator=(const DpdkHealth&) = delete;
  ~DpdkHealth();

  // Unavailable: "interface veth0 is down", "0000:3b:00.0 has no link", "...
  // was removed".
  absl::Status Check(Instant now) {
    if (!is_lost_.load(std::memory_order_acquire) &&
        now.time_since_epoch().count() <
            next_.load(std::memory_order_relaxed)) {
      return absl::OkStatus();
    }
    return CheckNow(now);
  }

  // Waits until there is a link, at most `patience`.
  absl::Status AwaitLink(Nanos patience) const;

 private:
  absl::Status CheckNow(Instant now);
  absl::Status Ask() const;

  const uint16_t port_;
  const std::string name_;
  const int interface_index_;
  std::string interface_name_;
  std::atomic<int64_t> next_{0};  // When to ask the device again.
  std::atomic<bool> removed_{false};
  std::atomic<bool> is_lost_{false};
  std::mutex mutex_;
  absl::Status lost_;  // Guarded by mutex_.
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_HEALTH_H_
