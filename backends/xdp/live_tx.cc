#include "backends/xdp/live_tx.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/xdp/link_watch.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// Fewer frames than this go by AF_XDP, and so many can be under way there.
constexpr size_t kFew = 20;
constexpr size_t kFewFrames = 256;

// Frames between two looks of the kernel at what else it has to do. A driver
// has at least this much room.
constexpr uint32_t kKernelBatch = 64;

// How long a driver may have no room, and how often to look why.
constexpr Nanos kGiveUp = std::chrono::milliseconds(100);
constexpr Nanos kLookEvery = std::chrono::milliseconds(2);

// What a card sends, and a veth's other end takes in, is a hundred frames or
// more in this time.
constexpr Nanos kRefusedNap = std::chrono::microseconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<LiveTx>> LiveTx::Open(const Options& options) {
  auto few = AfXdpTx::Open({.interface = options.interface,
                            .clock = options.clock,
                            .lane = options.lane,
                            .frames = kFewFrames});
  return std::unique_ptr<LiveTx>(
      new LiveTx(options, few.ok() ? *std::move(few) : nullptr));
}

LiveTx::LiveTx(const Options& options, std::unique_ptr<AfXdpTx> few)
    : interface_(options.interface),
      hooks_(*options.hooks),
      clock_(*options.clock),
      few_(std::move(few)),
      lane_(options.hooks->lane(options.lane)),
      frames_(std::min<size_t>(options.frames, kTxSlots)),
      lane_index_(static_cast<uint32_t>(options.lane)),
      lent_(frames_) {}

std::span<TxFrame> LiveTx::Lend(size_t want) {
  if (waiting_ > 0) {
    // At once it would have no more room than before. An error shows at the
    // next Send().
    std::this_thread::sleep_for(kRefusedNap);
    lost_ = Flush();
  }
  lent_count_ = waiting_ > 0 ? 0 : std::min(want, frames_);
  for (size_t i = 0; i < lent_count_; ++i) {
    lent_[i] = {.room = std::as_writable_bytes(std::span(lane_.slots[i])),
                .length = 0};
  }
  return std::span(lent_).first(lent_count_);
}

absl::Status LiveTx::Send(size_t count) {
  assert(count <= lent_count_);
  lent_count_ = 0;
  if (!lost_.ok()) {
    failed_.Add(count);
    return lost_;
  }
  if (waiting_ == 0) {
    progress_ = clock_.Now();
    waiting_ = count;
    fresh_ = true;
  }
  for (size_t i = 0; i < count; ++i) {
    lane_.lengths[i] = static_cast<uint32_t>(lent_[i].length);
  }
  lost_ = Flush();
  return lost_;
}

absl::Status LiveTx::Drain(Nanos patience) {
  const Instant deadline = clock_.Now() + patience;
  while (true) {
    if (!lost_.ok()) return lost_;
    if (waiting_ == 0) break;
    if (clock_.Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("interface ", interface_.name, ": ", waiting_,
                       " frames still not sent"));
    }
    std::this_thread::sleep_for(kRefusedNap);
    lost_ = Flush();
  }
  if (few_ == nullptr) return absl::OkStatus();
  return few_->Drain(std::max(deadline - clock_.Now(), Nanos::zero()));
}

// Sends what waits; what the driver has no room for goes on waiting. Not OK if
// the device is gone; then nothing waits any more.
absl::Status LiveTx::Flush() {
  if (waiting_ == 0) return absl::OkStatus();
  const size_t before = waiting_;
  // What was refused once would be lost by AF_XDP.
  const bool few = few_ && fresh_ && waiting_ < kFew;
  fresh_ = false;
  absl::Status status = few ? SendFew() : Run();
  const Instant now = clock_.Now();
  if (status.ok() && waiting_ < before) {
    progress_ = now;
  } else if (status.ok()) {
    status = Judge(now);
  }
  if (!status.ok()) {
    failed_.Add(waiting_);
    waiting_ = 0;
  }
  return status;
}

absl::Status LiveTx::SendFew() {
  const auto frames = few_->Lend(waiting_);
  for (size_t i = 0; i < frames.size(); ++i) {
    frames[i].length = lane_.lengths[i];
    std::memcpy(frames[i].room.data(), lane_.slots[i], frames[i].length);
  }
  absl::Status status = few_->Send(frames.size());
  if (!status.ok()) return status;
  const size_t rest = waiting_ - frames.size();
  std::memmove(lane_.slots[0], lane_.slots[frames.size()], rest * kTxSlotSize);
  std::copy_n(lane_.lengths.begin() + static_cast<long>(frames.size()), rest,
              lane_.lengths.begin());
  waiting_ = rest;
  return absl::OkStatus();
}

absl::Status LiveTx::Run() {
  const std::array<std::byte, kLiveMetadata + kLiveLength + kMaxXdpLanes>
      empty = {};
  xdp_md context = {};
  context.data = kLiveMetadata;
  context.data_end = kLiveMetadata + kLiveLength + lane_index_;
  context.ingress_ifindex = static_cast<uint32_t>(interface_.index);
  bpf_test_run_opts run = {};
  run.sz = sizeof run;
  run.data_in = empty.data();
  run.data_size_in = context.data_end;
  run.ctx_in = &context;
  run.ctx_size_in = sizeof context;
  run.repeat = static_cast<int>(waiting_);
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  run.batch_size = kKernelBatch;
  lane_.next = lane_.settled = lane_.refusals = 0;
  lane_.count = static_cast<uint32_t>(waiting_);
  const int error = -bpf_prog_test_run_opts(hooks_.program(), &run);
  lane_.count = 0;
  if (error != 0 && MeansDeviceGone(error)) {
    return DeviceGone(interface_, error);
  }
  // Interrupted, or out of memory: some may have been sent.
  if (!hooks_.tells_transmitted()) lane_.settled = lane_.next;
  Settle();
  return absl::OkStatus();
}

// Moves the slots that are to be sent again to the start: those refused, and
// those that were not come to.
void LiveTx::Settle() {
  size_t kept = 0;
  const auto keep = [&](size_t first, size_t count) {
    retried_.Add(count);
    if (kept != first) {
      std::memmove(lane_.slots[kept], lane_.slots[first], count * kTxSlotSize);
      std::copy_n(lane_.lengths.begin() + static_cast<long>(first), count,
                  lane_.lengths.begin() + static_cast<long>(kept));
    }
    kept += count;
  };
  for (size_t i = 0; i < lane_.refusals; ++i) {
    const XdpRefusal& refusal = lane_.refused[i];
    keep(refusal.first, refusal.count);
  }
  // Of those in between the kernel has not told: it let the driver have none.
  keep(lane_.settled, waiting_ - lane_.settled);
  waiting_ = kept;
}

// What to do if no frame has left: wait, give frames up, or the device.
absl::Status LiveTx::Judge(Instant now) {
  if (now - checked_ >= kLookEvery) {
    checked_ = now;
    FATHOM_RETURN_IF_ERROR(CheckCarrier(interface_));
  }
  if (now - progress_ < kGiveUp) return absl::OkStatus();
  failed_.Add(waiting_);
  waiting_ = 0;
  return absl::OkStatus();
}

}  // namespace fathom
