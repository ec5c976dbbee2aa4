// A whole lane's hearing half: decoding, spooling with the thread that writes,
// counting for the status line. All threads share one processor, and the time
// is what they all took of it.
//
// Budget: 200 ns a reply, 5 million a second on one core. Beside it what each
// step takes alone; the baseline only touches every packet.

#include <benchmark/benchmark.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backends/simulated.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/engine/discovery.h"
#include "src/engine/prober.h"
#include "src/engine/receiver.h"
#include "src/lab/truth.h"
#include "src/links/bucket_map.h"
#include "src/links/reply_spool.h"

namespace fathom {
namespace {

constexpr size_t kTargets = 1 << 16;
constexpr size_t kBatch = 256;
constexpr size_t kBuckets = 32;

// One address in each of kTargets /24s.
TargetSet SomeTargets(const lab::Scenario& scenario) {
  std::vector<uint32_t> addresses;
  lab::SampleSlash24s(scenario, kTargets, [&](const Prefix& slash24) {
    addresses.push_back(slash24.first().v4() + 1);
  });
  return TargetSet(std::move(addresses));
}

// What the built-in internet answers to a sweep, in the order of arrival.
class Recording {
 public:
  Recording() {
    const auto backend = *OpenSimulated(scenario, {}, nullptr);
    codec = *Register<CodecModule>::Find("icmp")->make(
        {.key = {1, 2}, .source = backend->source()});
    const auto strategy =
        *Register<StrategyModule>::Find("sweep")->make(targets, {});
    const PrefixSet nothing;
    Prober prober({*strategy, *codec, backend->tx(0), nothing});
    while (!strategy->done()) {
      if (!prober.Step(backend->Now(), {}, Prober::kBatch).ok()) std::abort();
      Hear(backend->rx(0), std::chrono::microseconds(50));
    }
    Hear(backend->rx(0), std::chrono::seconds(1));
    for (size_t i = 0; i < starts_.size(); ++i) {
      const size_t end =
          i + 1 < starts_.size() ? starts_[i + 1] : bytes_.size();
      frames.push_back({std::span(bytes_).subspan(starts_[i], end - starts_[i]),
                        arrivals_[i]});
    }
  }

  const lab::Scenario scenario;
  const TargetSet targets = SomeTargets(scenario);
  std::unique_ptr<ProbeCodec> codec;
  std::vector<RxFrame> frames;

 private:
  void Hear(RxQueue& rx, Nanos patience) {
    while (true) {
      const auto heard = rx.Receive(patience);
      if (heard->empty()) return;
      for (const RxFrame& frame : *heard) {
        starts_.push_back(bytes_.size());
        arrivals_.push_back(frame.arrival);
        bytes_.insert(bytes_.end(), frame.bytes.begin(), frame.bytes.end());
      }
    }
  }

  std::vector<std::byte> bytes_;
  std::vector<size_t> starts_;
  std::vector<Instant> arrivals_;
};

const Recording& TheRecording() {
  static const Recording recording;
  return recording;
}

// Plays the recording.
class Player final : public Backend, TxQueue, RxQueue {
 public:
  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t /*lane*/) override { return *this; }
  RxQueue& rx(size_t /*lane*/) override { return *this; }
  std::span<const std::byte> link_header() const override { return {}; }
  IpAddress source() const override { return {}; }
  std::string Describe() const override { return "recording"; }
  Instant Now() const override {
    return frames_[std::min(next_, frames_.size() - 1)].arrival;
  }
  BackendCounters counters() const override { return {}; }

  bool over() const { return next_ == frames_.size(); }

 private:
  std::span<TxFrame> Lend(size_t /*want*/) override { return {}; }
  absl::Status Send(size_t /*count*/) override { return absl::OkStatus(); }
  absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }
  absl::StatusOr<std::span<const RxFrame>> Receive(
      Nanos /*patience*/) override {
    const size_t count = std::min(kBatch, frames_.size() - next_);
    const auto lent = std::span(frames_).subspan(next_, count);
    next_ += count;
    return lent;
  }

  const std::vector<RxFrame>& frames_ = TheRecording().frames;
  size_t next_ = 0;
};

void KeepToOneProcessor() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &set);
  sched_setaffinity(0, sizeof set, &set);
}

struct Parts {
  bool spool = false;
  bool discovery = false;
};

void Run(benchmark::State& state, Parts parts) {
  const Recording& recording = TheRecording();
  KeepToOneProcessor();
  const std::string path = std::filesystem::temp_directory_path() /
                           ("fathom-hearing-bench-" + std::to_string(getpid()));
  Discovery discovery(kTargets * 32);
  for (auto _ : state) {
    auto spool = *ReplySpool::Create(
        path, {.boundaries = EvenBoundaries(recording.targets, kBuckets)});
    Player player;
    std::vector<ReplySink*> sinks;
    if (parts.spool) sinks.push_back(&spool->inlet(0));
    if (parts.discovery) sinks.push_back(&discovery);
    Receiver receiver({player, *recording.codec, player.rx(0), sinks});
    while (!player.over()) {
      if (!receiver.Step(Nanos(0)).ok()) std::abort();
    }
    spool.reset();
    std::filesystem::remove(path);
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(recording.frames.size()));
}

void BM_TouchOnly(benchmark::State& state) {
  const Recording& recording = TheRecording();
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const RxFrame& frame : recording.frames) {
      sum += std::to_integer<uint64_t>(frame.bytes.back());
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(recording.frames.size()));
}
BENCHMARK(BM_TouchOnly)->MeasureProcessCPUTime();

void BM_Decode(benchmark::State& state) { Run(state, {}); }
BENCHMARK(BM_Decode)->MeasureProcessCPUTime();

void BM_DecodeAndDiscovery(benchmark::State& state) {
  Run(state, {.discovery = true});
}
BENCHMARK(BM_DecodeAndDiscovery)->MeasureProcessCPUTime();

void BM_DecodeAndSpool(benchmark::State& state) { Run(state, {.spool = true}); }
BENCHMARK(BM_DecodeAndSpool)->MeasureProcessCPUTime();

void BM_Hear(benchmark::State& state) {
  Run(state, {.spool = true, .discovery = true});
}
BENCHMARK(BM_Hear)->MeasureProcessCPUTime();

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
