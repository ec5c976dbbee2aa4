// The lab as a network card, in virtual time: waiting in Receive() is what
// moves the clock, so a scan takes as long as its arithmetic, and the same
// scan gives the same packets at the same times.

#include "backends/simulated.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/lab/ipv6.h"

namespace fathom {
namespace {

// Now() may be asked from any thread; only the one that waits writes it.
class VirtualClock {
 public:
  Instant Now() const {
    return Instant(Nanos(now_.load(std::memory_order_relaxed)));
  }

  // REQUIRES: never goes back.
  void Set(Instant now) {
    now_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> now_{kSimulationStart.time_since_epoch().count()};
};

// Frames are an array. The line takes a while for each, so a burst leaves one
// after another, and what has not left yet takes up room in the ring.
class SimulatedTx final : public TxQueue {
 public:
  SimulatedTx(const VirtualClock& clock, Nanos line_gap, size_t ring_frames,
              lab::Network& network)
      : clock_(clock),
        line_gap_(line_gap),
        network_(network),
        bytes_(ring_frames * kMaxProbeSize),
        frames_(ring_frames) {}

  std::span<TxFrame> Lend(size_t want) override {
    const size_t count =
        std::min(want, frames_.size() - std::min(frames_.size(), Backlog()));
    for (size_t i = 0; i < count; ++i) {
      frames_[i].room =
          std::span(bytes_).subspan(i * kMaxProbeSize, kMaxProbeSize);
      frames_[i].length = 0;
    }
    return std::span(frames_).first(count);
  }

  absl::Status Send(size_t count) override {
    line_free_ = std::max(line_free_, clock_.Now());
    for (size_t i = 0; i < count; ++i) {
      network_.Send(line_free_, frames_[i].room.first(frames_[i].length));
      line_free_ += line_gap_;
    }
    return absl::OkStatus();
  }

  // The network has every frame already; only the clock has not caught up, and
  // that moves in Receive() alone.
  absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }

 private:
  size_t Backlog() const {
    const Nanos ahead = line_free_ - clock_.Now();
    if (ahead <= Nanos(0)) return 0;
    return static_cast<size_t>((ahead + line_gap_ - Nanos(1)) / line_gap_);
  }

  const VirtualClock& clock_;
  const Nanos line_gap_;
  lab::Network& network_;
  std::vector<std::byte> bytes_;
  std::vector<TxFrame> frames_;
  Instant line_free_ = kSimulationStart;  // When the next frame may leave.
};

class SimulatedRx final : public RxQueue {
 public:
  SimulatedRx(VirtualClock& clock, size_t ring_frames, lab::Network& network)
      : clock_(clock), network_(network), frames_(ring_frames) {}

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
    const Instant now = clock_.Now();
    size_t count = network_.Receive(now, frames_);
    if (count == 0 && patience > Nanos(0)) {
      const Instant until = std::min(
          network_.next_due().value_or(now + patience), now + patience);
      clock_.Set(until);
      count = network_.Receive(until, frames_);
    }
    return std::span<const RxFrame>(frames_).first(count);
  }

 private:
  VirtualClock& clock_;
  lab::Network& network_;
  std::vector<RxFrame> frames_;
};

// The lab's vantage point under the name that the target's family has for it.
IpAddress SourceFor(const lab::Scenario& scenario,
                    const BackendOptions& options) {
  if (options.source) return *options.source;
  const bool ipv6 =
      options.toward != IpAddress() && options.toward.family() == Family::kIpv6;
  return ipv6 ? lab::ToIpv6(scenario.source.v4()) : scenario.source;
}

class SimulatedBackend final : public Backend {
 public:
  SimulatedBackend(const lab::Scenario& scenario, const BackendOptions& options,
                   lab::Observer* observer)
      : name_(options.device.empty() ? "built-in internet" : options.device),
        seed_(scenario.seed),
        source_(SourceFor(scenario, options)),
        network_(scenario, observer),
        tx_(clock_, Nanos(scenario.line_gap_ns), options.ring_frames, network_),
        rx_(clock_, options.ring_frames, network_) {
    clock_.Set(std::max(kSimulationStart, options.not_before));
  }

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t /*lane*/) override { return tx_; }
  RxQueue& rx(size_t /*lane*/) override { return rx_; }
  std::span<const std::byte> link_header() const override { return {}; }
  IpAddress source() const override { return source_; }
  Instant Now() const override { return clock_.Now(); }
  bool one_thread() const override { return true; }

  std::string Describe() const override {
    return absl::StrCat("simulated, ", name_, ", seed ", seed_, ", from ",
                        source_.ToString());
  }

  BackendCounters counters() const override {
    const lab::NetworkCounters counters = network_.counters();
    BackendCounters result;
    result.own.reserve(lab::kFates + 5);
    result.own.emplace_back("probes", counters.probes());
    for (size_t i = 0; i < lab::kFates; ++i) {
      result.own.emplace_back(lab::kFateNames[i], counters.fates[i]);
    }
    result.own.emplace_back("wrong_checksums", counters.wrong_checksums);
    result.own.emplace_back("duplicates", counters.duplicates);
    result.own.emplace_back("forged", counters.forged);
    result.own.emplace_back("garbage", counters.garbage);
    return result;
  }

 private:
  const std::string name_;
  const uint64_t seed_;
  const IpAddress source_;
  VirtualClock clock_;
  lab::Network network_;
  SimulatedTx tx_;
  SimulatedRx rx_;
};

absl::StatusOr<std::unique_ptr<Backend>> Open(const BackendOptions& options) {
  if (options.device.empty()) return OpenSimulated({}, options, nullptr);
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(options.device));
  return OpenSimulated(scenario, options, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> OpenSimulated(
    const lab::Scenario& scenario, const BackendOptions& options,
    lab::Observer* observer) {
  FATHOM_RETURN_IF_ERROR(lab::CheckScenario(scenario));
  if (options.lanes != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("open simulated: it has one lane, not ", options.lanes,
                     "; virtual time is one thread's"));
  }
  if (options.ring_frames == 0) {
    return absl::InvalidArgumentError(
        "open simulated: a ring of 0 frames; give at least 1");
  }
  return std::make_unique<SimulatedBackend>(scenario, options, observer);
}

const Register<BackendModule> kSimulated(
    {"simulated", "the lab in virtual time; device: a scenario file", &Open});

}  // namespace fathom
