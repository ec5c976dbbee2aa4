#include "backends/dpdk_health.h"

#include <rte_ethdev.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/net/neighbor.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

// How often the device is asked: it takes the kernel 20 us.
constexpr Nanos kInterval = milliseconds(10);

int NoteRemoval(uint16_t /*port*/, rte_eth_event_type /*event*/, void* flag,
                void* /*details*/) {
  static_cast<std::atomic<bool>*>(flag)->store(true);
  return 0;
}

bool HasLink(uint16_t port) {
  rte_eth_link link = {};
  // A driver that cannot tell has one as far as anybody knows.
  return rte_eth_link_get_nowait(port, &link) != 0 ||
         link.link_status == RTE_ETH_LINK_UP;
}

}  // namespace

DpdkHealth::DpdkHealth(uint16_t port, std::string name, int interface_index)
    : port_(port), name_(std::move(name)), interface_index_(interface_index) {
  rte_eth_dev_callback_register(port_, RTE_ETH_EVENT_INTR_RMV, &NoteRemoval,
                                &removed_);
  if (interface_index_ == 0) return;
  const auto interface = FindInterface(interface_index_);
  if (interface.ok()) interface_name_ = interface->name;
}

DpdkHealth::~DpdkHealth() {
  rte_eth_dev_callback_unregister(port_, RTE_ETH_EVENT_INTR_RMV, &NoteRemoval,
                                  &removed_);
}

absl::Status DpdkHealth::AwaitLink(Nanos patience) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!HasLink(port_)) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return absl::UnavailableError(absl::StrCat(name_, " has no link"));
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return absl::OkStatus();
}

absl::Status DpdkHealth::CheckNow(Instant now) {
  const std::lock_guard lock(mutex_);
  if (!lost_.ok()) return lost_;
  next_.store((now + kInterval).time_since_epoch().count(),
              std::memory_order_relaxed);
  lost_ = Ask();
  if (!lost_.ok()) is_lost_.store(true, std::memory_order_release);
  return lost_;
}

absl::Status DpdkHealth::Ask() const {
  if (removed_.load() || rte_eth_dev_is_removed(port_) == 1) {
    return absl::UnavailableError(absl::StrCat(name_, " was removed"));
  }
  if (interface_index_ == 0) {
    if (HasLink(port_)) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(name_, " has no link"));
  }
  const auto interface = FindInterface(interface_index_);
  if (interface.ok()) return CheckUsable(*interface);
  return absl::UnavailableError(
      absl::StrCat("interface ", interface_name_, " was removed"));
}

}  // namespace fathom
