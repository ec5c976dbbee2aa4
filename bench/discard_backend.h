#ifndef FATHOM_BENCH_DISCARD_BACKEND_H_
#define FATHOM_BENCH_DISCARD_BACKEND_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "fathom/packet_io.h"

namespace fathom {

// A backend that throws every frame away and hears nothing, so that a lane can
// be measured without a network.
class DiscardBackend final : public Backend, TxQueue, RxQueue {
 public:
  DiscardBackend() : room_(kFrames * kMaxProbeSize) {
    for (size_t i = 0; i < kFrames; ++i) {
      frames_.push_back(
          {std::span(room_).subspan(i * kMaxProbeSize, kMaxProbeSize)});
    }
  }

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t /*lane*/) override { return *this; }
  RxQueue& rx(size_t /*lane*/) override { return *this; }
  std::span<const std::byte> link_header() const override { return kEthernet; }
  IpAddress source() const override { return IpAddress::V4(0x0a000001); }
  std::string Describe() const override { return "discard"; }
  Instant Now() const override {
    return Instant(std::chrono::steady_clock::now().time_since_epoch());
  }
  BackendCounters counters() const override { return {}; }

  // When how many frames were sent; room for them must have been made.
  struct Sent {
    Instant when;
    size_t count;
  };
  std::vector<Sent>* log = nullptr;

 private:
  static constexpr size_t kFrames = 1024;
  static constexpr std::array<std::byte, 14> kEthernet{};

  std::span<TxFrame> Lend(size_t want) override {
    return std::span(frames_).first(std::min(want, kFrames));
  }
  absl::Status Send(size_t count) override {
    if (log != nullptr && count != 0) log->push_back({Now(), count});
    return absl::OkStatus();
  }
  absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }
  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
    std::this_thread::sleep_for(patience);
    return std::span<const RxFrame>();
  }

  std::vector<std::byte> room_;
  std::vector<TxFrame> frames_;
};

}  // namespace fathom

#endif  // FATHOM_BENCH_DISCARD_BACKEND_H_
