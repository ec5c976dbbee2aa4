#include "backends/xdp/af_xdp_tx.h"

#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/xdp/link_watch.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// How often to look whether the interface drops all for want of a carrier.
constexpr Nanos kLookEvery = std::chrono::milliseconds(2);

constexpr Nanos kDrainStep = std::chrono::microseconds(50);

// The kernel has more to send, or no room to send it now.
bool IsTransient(int error) {
  return error == EAGAIN || error == ENOBUFS || error == EINTR ||
         error == ENOMEM;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AfXdpTx>> AfXdpTx::Open(const Options& options) {
  const auto frames = static_cast<uint32_t>(std::bit_ceil(options.frames));
  FATHOM_ASSIGN_OR_RETURN(
      XskSender socket,
      OpenXskSender(options.interface, static_cast<uint32_t>(options.lane),
                    frames));
  return std::unique_ptr<AfXdpTx>(new AfXdpTx(options, std::move(socket)));
}

AfXdpTx::AfXdpTx(const Options& options, XskSender socket)
    : interface_(options.interface),
      clock_(*options.clock),
      socket_(std::move(socket)),
      count_(options.frames),
      lent_(options.frames) {
  free_.reserve(count_);
  for (size_t slot = count_; slot-- > 0;) {
    free_.push_back(static_cast<uint32_t>(slot));
  }
}

std::span<TxFrame> AfXdpTx::Lend(size_t want) {
  Reap();
  if (free_.size() < want && lost_.ok() && produced_ != reaped_) {
    // Makes room; an error shows at the next Send().
    lost_ = Transmit();
  }
  lent_count_ = std::min(want, free_.size());
  for (size_t i = 0; i < lent_count_; ++i) {
    const uint32_t slot = free_[free_.size() - 1 - i];
    lent_[i] = {
        .room = {socket_.frames.data() + slot * kXskFrameSize, kMaxProbeSize},
        .length = 0};
  }
  return std::span(lent_).first(lent_count_);
}

absl::Status AfXdpTx::Send(size_t count) {
  assert(count <= lent_count_);
  lent_count_ = 0;
  if (!lost_.ok()) {
    failed_.Add(count);
    return lost_;
  }
  for (size_t i = 0; i < count; ++i) {
    xdp_desc& entry = socket_.tx.entries[produced_++ & socket_.tx.mask];
    entry = {.addr = uint64_t{free_.back()} * kXskFrameSize,
             .len = static_cast<uint32_t>(lent_[i].length),
             .options = 0};
    free_.pop_back();
  }
  std::atomic_ref(*socket_.tx.producer)
      .store(produced_, std::memory_order_release);
  lost_ = Transmit();
  return lost_;
}

absl::Status AfXdpTx::Drain(Nanos patience) {
  const Instant deadline = clock_.Now() + patience;
  while (true) {
    if (!lost_.ok()) return lost_;
    Reap();
    if (produced_ == reaped_) return absl::OkStatus();
    if (clock_.Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("interface ", interface_.name, ": ", produced_ - reaped_,
                       " frames still not sent"));
    }
    std::this_thread::sleep_for(kDrainStep);
    lost_ = Transmit();
  }
}

void AfXdpTx::Reap() {
  const uint32_t end = socket_.completion.produced();
  for (; reaped_ != end; ++reaped_) {
    const uint64_t start =
        socket_.completion.entries[reaped_ & socket_.completion.mask];
    free_.push_back(static_cast<uint32_t>(start / kXskFrameSize));
  }
  std::atomic_ref(*socket_.completion.consumer)
      .store(reaped_, std::memory_order_release);
}

// Has the kernel send what is in the ring; it takes 32 frames a call. Stops
// where the device has no room.
absl::Status AfXdpTx::Transmit() {
  uint32_t consumed = socket_.tx.consumed();
  while (consumed != produced_) {
    const ssize_t result =
        sendto(socket_.fd.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    const int error = result < 0 ? errno : 0;
    if (error == EBUSY) {
      FATHOM_RETURN_IF_ERROR(HandleDrop());
    } else if (MeansDeviceGone(error)) {
      failed_.Add(produced_ - socket_.tx.consumed());
      return DeviceGone(interface_, error);
    } else if (error != 0 && !IsTransient(error)) {
      return DeviceGone(interface_, error);
    }
    const uint32_t now = socket_.tx.consumed();
    if (now == consumed) {
      retried_.Add(1);
      break;
    }
    consumed = now;
  }
  Reap();
  return absl::OkStatus();
}

// The device has dropped one frame: it was busy, or has no carrier.
absl::Status AfXdpTx::HandleDrop() {
  failed_.Add(1);
  const Instant now = clock_.Now();
  if (now - checked_ < kLookEvery) return absl::OkStatus();
  checked_ = now;
  return CheckCarrier(interface_);
}

}  // namespace fathom
