#include "backends/dpdk_rx.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "backends/arp.h"
#include "backends/dpdk_eal.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using std::chrono::microseconds;

// The kernel adds some 50 us to each. So waiting costs some 5 % of a processor,
// and a ring of 2,048 lasts through a nap at eight million replies a second.
constexpr Nanos kShortNap = microseconds(10);
constexpr Nanos kLongNap = microseconds(200);

// Drivers are at their best with bursts of this size.
constexpr uint16_t kBurst = 64;

}  // namespace

DpdkRx::DpdkRx(const Options& options)
    : port_(*options.port),
      queue_(static_cast<uint16_t>(options.lane)),
      address_(options.address),
      filter_(options.port->mac(), options.address, options.tcp),
      answering_(options.answering),
      clock_(*options.clock) {
  lent_.reserve(kMost);
}

DpdkRx::~DpdkRx() {
  rte_pktmbuf_free_bulk(held_.data(), static_cast<unsigned>(held_count_));
}

absl::StatusOr<std::span<const RxFrame>> DpdkRx::Receive(Nanos patience) {
  JoinEal();
  std::optional<Instant> deadline;
  for (Nanos nap = kShortNap;; nap = std::min(2 * nap, kLongNap)) {
    const size_t taken = Take();
    if (!lent_.empty()) return lent_;
    const Instant now = clock_.Now();
    if (!deadline) deadline = now + patience;
    // What came before the link went down was lent first.
    if (taken == 0) FATHOM_RETURN_IF_ERROR(port_.health().Check(now));
    if (now >= *deadline) return lent_;
    if (taken == 0) std::this_thread::sleep_for(std::min(nap, *deadline - now));
  }
}

// Gives back what was lent and takes what has come; returns how many frames
// those were, whether or not they are lent.
size_t DpdkRx::Take() {
  rte_pktmbuf_free_bulk(held_.data(), static_cast<unsigned>(held_count_));
  lent_.clear();
  held_count_ = 0;
  uint16_t taken = kBurst;
  while (taken == kBurst && held_count_ + kBurst <= kMost) {
    taken = rte_eth_rx_burst(port_.id(), queue_, held_.data() + held_count_,
                             kBurst);
    held_count_ += taken;
  }
  if (held_count_ == 0) return 0;
  const Instant now = clock_.Now();
  for (size_t i = 0; i < held_count_; ++i) {
    if (i + 4 < held_count_) {
      rte_prefetch0(rte_pktmbuf_mtod(held_[i + 4], const void*));
    }
    Look(*held_[i], now);
  }
  return held_count_;
}

// Lends the packet in a frame, if it is an answer.
void DpdkRx::Look(const rte_mbuf& mbuf, Instant now) {
  if (mbuf.nb_segs != 1) {
    in_pieces_.Add(1);
    return;
  }
  const std::span<const std::byte> frame(
      rte_pktmbuf_mtod(&mbuf, const std::byte*), mbuf.data_len);
  // A tag that the driver has taken off says that the frame is of a VLAN.
  const bool tagged = (mbuf.ol_flags & RTE_MBUF_F_RX_VLAN) != 0;
  const auto packet =
      tagged ? std::span<const std::byte>() : filter_.PacketIn(frame);
  if (!packet.empty()) {
    lent_.push_back({.bytes = packet, .arrival = now});
    return;
  }
  foreign_.Add(1);
  if (!tagged && answering_ != nullptr) AnswerForUs(frame);
}

void DpdkRx::AnswerForUs(std::span<const std::byte> frame) {
  const auto answer =
      AnswerArp(frame, {.mac = port_.mac(), .address = address_});
  if (!answer) return;
  answering_->SendAside(std::as_bytes(std::span(&*answer, 1)));
}

}  // namespace fathom
