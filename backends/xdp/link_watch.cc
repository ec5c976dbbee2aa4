#include "backends/xdp/link_watch.h"

#include <linux/rtnetlink.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {

absl::Status CheckPresent(const Interface& interface) {
  auto now = FindInterface(interface.index);
  if (!now.ok()) return DeviceGone(interface, ENODEV);
  if (!now->up) return DeviceGone(interface, ENETDOWN);
  return absl::OkStatus();
}

absl::Status CheckCarrier(const Interface& interface) {
  const auto now = FindInterface(interface.index);
  return now.ok() ? CheckUsable(*now) : DeviceGone(interface, ENODEV);
}

absl::StatusOr<LinkWatch> LinkWatch::Open(const Interface& interface) {
  FATHOM_ASSIGN_OR_RETURN(auto news, NetlinkSocket::Open(RTMGRP_LINK));
  return LinkWatch(interface, std::move(news));
}

absl::Status LinkWatch::Wait(Nanos patience) {
  const auto nanos = std::max(patience, Nanos::zero()).count();
  const timespec limit = {.tv_sec = nanos / 1'000'000'000,
                          .tv_nsec = nanos % 1'000'000'000};
  pollfd wait = {news_.fd(), POLLIN, 0};
  if (ppoll(&wait, 1, &limit, nullptr) != 1) return absl::OkStatus();
  news_.Discard();
  return CheckPresent(interface_);
}

}  // namespace fathom
