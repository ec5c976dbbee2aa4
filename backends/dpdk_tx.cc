#include "backends/dpdk_tx.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "backends/dpdk_eal.h"

namespace fathom {
namespace {

// More are not lent at once: they would not stay in the cache.
constexpr size_t kMaxLent = 1024;

constexpr std::chrono::microseconds kNap(50);

}  // namespace

DpdkTx::DpdkTx(const Options& options)
    : port_(*options.port),
      queue_(static_cast<uint16_t>(options.lane)),
      pool_(options.port->tx_pool(options.lane)),
      clock_(*options.clock),
      frames_(std::min(options.frames, kMaxLent)),
      longest_(options.longest) {
  row_.reserve(frames_);
  lent_.resize(frames_);
}

DpdkTx::~DpdkTx() {
  rte_pktmbuf_free_bulk(row_.data(), static_cast<unsigned>(row_.size()));
}

std::span<TxFrame> DpdkTx::Lend(size_t want) {
  lent_count_ = 0;
  JoinEal();
  if (waiting_ != 0) Push();
  if (waiting_ != 0) return {};
  Stock(std::min(want, frames_));
  lent_count_ = std::min({want, frames_, row_.size()});
  for (size_t i = 0; i < lent_count_; ++i) {
    lent_[i] = {.room = {rte_pktmbuf_mtod(row_[i], std::byte*), kMaxProbeSize},
                .length = 0};
  }
  return std::span(lent_).first(lent_count_);
}

absl::Status DpdkTx::Send(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    row_[i]->data_len = static_cast<uint16_t>(lent_[i].length);
    row_[i]->pkt_len = static_cast<uint32_t>(lent_[i].length);
  }
  if (lent_count_ != 0) waiting_ = SetAsideTooLong(count);
  lent_count_ = 0;
  const size_t due = waiting_;
  if (due != 0) Push();
  absl::Status status = port_.health().Check(clock_.Now());
  if (!status.ok()) GiveUp(due);
  return status;
}

absl::Status DpdkTx::Drain(Nanos patience) {
  const Instant deadline = clock_.Now() + patience;
  while (true) {
    if (waiting_ != 0) Push();
    const Instant now = clock_.Now();
    if (auto status = port_.health().Check(now); !status.ok()) {
      GiveUp(waiting_);
      return status;
    }
    if (waiting_ == 0) return absl::OkStatus();
    if (now >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(port_.name(), ": ", waiting_, " frames did not leave"));
    }
    std::this_thread::sleep_for(kNap);
  }
}

void DpdkTx::SendAside(std::span<const std::byte> frame) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return;
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())),
              frame.data(), frame.size());
  const std::lock_guard lock(burst_);
  if (rte_eth_tx_burst(port_.id(), queue_, &mbuf, 1) != 1) {
    rte_pktmbuf_free(mbuf);
  }
}

// Of the first `count` frames, moves those to the front that the device will
// take; drivers let the others vanish, or stop at them. Returns how many.
size_t DpdkTx::SetAsideTooLong(size_t count) {
  const auto end = row_.begin() + static_cast<ptrdiff_t>(count);
  const auto fits = [this](const rte_mbuf* mbuf) {
    return mbuf->pkt_len <= longest_;
  };
  if (std::all_of(row_.begin(), end, fits)) return count;
  const auto first = std::stable_partition(row_.begin(), end, fits);
  failed_.Add(static_cast<uint64_t>(end - first));
  return static_cast<size_t>(first - row_.begin());
}

// Hands the device as many of those that wait as it takes.
void DpdkTx::Push() {
  size_t sent = 0;
  {
    const std::lock_guard lock(burst_);
    size_t taken = 0;
    do {
      taken = rte_eth_tx_burst(port_.id(), queue_, row_.data() + sent,
                               static_cast<uint16_t>(waiting_ - sent));
      sent += taken;
    } while (taken != 0 && sent != waiting_);
  }
  waiting_ -= sent;
  row_.erase(row_.begin(), row_.begin() + static_cast<ptrdiff_t>(sent));
}

// The device is lost, and so are `count` frames, those that wait among them. It
// may have taken some all the same: drivers do while they have room.
void DpdkTx::GiveUp(size_t count) {
  failed_.Add(count);
  waiting_ = 0;
}

// Brings the row to `count` buffers, or as many as there are.
void DpdkTx::Stock(size_t count) {
  for (size_t want = count; row_.size() < count && want != 0;) {
    const size_t before = row_.size();
    want = std::min(want, count - before);
    row_.resize(before + want);
    // All or none.
    if (rte_pktmbuf_alloc_bulk(pool_, row_.data() + before,
                               static_cast<unsigned>(want)) != 0) {
      row_.resize(before);
      want /= 2;
    }
  }
}

}  // namespace fathom
