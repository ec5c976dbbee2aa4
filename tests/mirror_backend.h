#ifndef FATHOM_TESTS_MIRROR_BACKEND_H_
#define FATHOM_TESTS_MIRROR_BACKEND_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

#include "fathom/packet_io.h"
#include "tests/router_reply.h"

namespace fathom {

// A network of one router that answers every probe at once, for threads that
// send and hear at the same time. Whichever lane asks first hears. Can lose its
// device after some probes.
class MirrorBackend final : public Backend {
 public:
  static constexpr size_t kRing = 32;

  // The device is lost after so many probes were sent, or never.
  explicit MirrorBackend(size_t breaks_after = SIZE_MAX, size_t lanes = 1)
      : breaks_after_(breaks_after) {
    for (size_t i = 0; i < lanes; ++i) {
      tx_.emplace_back(*this);
      rx_.emplace_back(*this);
    }
  }

  size_t lanes() const override { return tx_.size(); }
  TxQueue& tx(size_t lane) override { return tx_[lane]; }
  RxQueue& rx(size_t lane) override { return rx_[lane]; }
  std::span<const std::byte> link_header() const override { return {}; }
  IpAddress source() const override { return IpAddress::V4(0xc6120001); }
  std::string Describe() const override { return "mirror"; }
  Instant Now() const override {
    return Instant(std::chrono::system_clock::now().time_since_epoch());
  }
  BackendCounters counters() const override { return {}; }

  // From now on each TTL has a router of its own, and every seventh probe gets
  // no answer. Before the first probe.
  void BecomeLossyChain() { lossy_chain_ = true; }

  // Every probe that was sent, from the IP header on.
  std::vector<Bytes> sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }

 private:
  class Tx final : public TxQueue {
   public:
    explicit Tx(MirrorBackend& owner) : owner_(owner) {
      for (size_t i = 0; i < kRing; ++i) {
        frames_.push_back({std::span(room_[i])});
      }
    }
    std::span<TxFrame> Lend(size_t want) override {
      return std::span(frames_).first(std::min(want, kRing));
    }
    absl::Status Send(size_t count) override {
      for (size_t i = 0; i < count; ++i) {
        const auto bytes = frames_[i].room.first(frames_[i].length);
        if (!owner_.Take(bytes)) return absl::UnavailableError("mirror broke");
      }
      return absl::OkStatus();
    }
    absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }

   private:
    MirrorBackend& owner_;
    std::array<std::array<std::byte, kMaxProbeSize>, kRing> room_;
    std::vector<TxFrame> frames_;
  };

  class Rx final : public RxQueue {
   public:
    explicit Rx(MirrorBackend& owner) : owner_(owner) {}
    absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
      lent_ = owner_.Wait(patience);
      frames_.clear();
      for (const Bytes& bytes : lent_) frames_.push_back({bytes, owner_.Now()});
      return std::span<const RxFrame>(frames_);
    }

   private:
    MirrorBackend& owner_;
    std::deque<Bytes> lent_;
    std::vector<RxFrame> frames_;
  };

  bool Take(std::span<const std::byte> probe) {
    const std::lock_guard lock(mutex_);
    if (sent_.size() >= breaks_after_) return false;
    sent_.emplace_back(probe.begin(), probe.end());
    if (lossy_chain_ && sent_.size() % 7 == 0) return true;
    RouterOptions router;
    if (lossy_chain_) {
      router.router = IpAddress::V4(0xc6120001 + Load<Ipv4Header>(probe).ttl);
    }
    replies_.push_back(RouterReply(probe, router));
    arrived_.notify_one();
    return true;
  }

  std::deque<Bytes> Wait(Nanos patience) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, patience, [this] { return !replies_.empty(); });
    return std::exchange(replies_, {});
  }

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Bytes> replies_;
  std::vector<Bytes> sent_;
  std::deque<Tx> tx_;
  std::deque<Rx> rx_;
  const size_t breaks_after_;
  bool lossy_chain_ = false;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_MIRROR_BACKEND_H_
