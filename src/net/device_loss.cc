#include "src/net/device_loss.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "src/net/netlink.h"

namespace fathom {
namespace {

rtnl_link_stats64 StatisticsOf(const Interface& interface) {
  rtnl_link_stats64 statistics = {};
  ifinfomsg header = {};
  header.ifi_index = interface.index;
  auto netlink = NetlinkSocket::Open();
  if (!netlink.ok()) return statistics;
  const auto answers = netlink->Ask(NetlinkRequest(RTM_GETLINK, 0, header));
  if (!answers.ok() || answers->empty()) return statistics;
  const auto value = answers->front().Find(sizeof header, IFLA_STATS64);
  // A newer kernel tells more, an older one less.
  if (value) {
    std::memcpy(&statistics, value->data(),
                std::min(value->size(), sizeof statistics));
  }
  return statistics;
}

// The second column, a line a processor: those for which the queue towards the
// stack was full (net.core.netdev_max_backlog).
uint64_t SoftnetDropped() {
  struct Close {
    void operator()(FILE* file) const { fclose(file); }
  };
  const std::unique_ptr<FILE, Close> file(fopen("/proc/net/softnet_stat", "r"));
  uint64_t sum = 0;
  uint32_t dropped = 0;
  while (file && fscanf(file.get(), "%*x %" SCNx32 "%*[^\n]", &dropped) == 1) {
    sum += dropped;
  }
  return sum;
}

}  // namespace

// A counter that goes back, since its driver was reset, has counted nothing.
DeviceLoss operator-(const DeviceLoss& a, const DeviceLoss& b) {
  const auto less = [](uint64_t x, uint64_t y) { return x < y ? 0 : x - y; };
  return {.rx_missed = less(a.rx_missed, b.rx_missed),
          .rx_dropped = less(a.rx_dropped, b.rx_dropped),
          .tx_dropped = less(a.tx_dropped, b.tx_dropped),
          .softnet_dropped = less(a.softnet_dropped, b.softnet_dropped)};
}

DeviceLoss ReadDeviceLoss(const Interface& interface) {
  const rtnl_link_stats64 statistics = StatisticsOf(interface);
  return {.rx_missed = statistics.rx_missed_errors + statistics.rx_fifo_errors +
                       statistics.rx_over_errors,
          .rx_dropped = statistics.rx_dropped,
          .tx_dropped = statistics.tx_dropped,
          .softnet_dropped = SoftnetDropped()};
}

}  // namespace fathom
