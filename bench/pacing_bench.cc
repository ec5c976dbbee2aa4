// How well a lane holds its rate, and what waiting costs.
//
// For each rate: the mean's error, the variation of 100 ms windows, the busiest
// millisecond, and the share of a core used. Beside it in the same run, the
// loop that other scanners have: it spins until the next probe is due.
//
// Budget: error under 0.5 %; under a fifth of a core at 10,000 a second.

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "bench/discard_backend.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/engine/lane.h"

namespace fathom {
namespace {

// Processor time of the calling thread.
Nanos ThreadTime() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanos(time.tv_nsec);
}

struct Measured {
  std::vector<DiscardBackend::Sent> log;
  Instant start;
  Instant end;
  Nanos cpu{};
};

Measured RunLane(uint64_t pps, Nanos length) {
  DiscardBackend backend;
  Measured measured;
  measured.log.reserve(
      pps * static_cast<uint64_t>(length / Nanos(1)) / 1'000'000'000 + 1000);
  backend.log = &measured.log;
  const auto codec = *Register<CodecModule>::Find("icmp")->make(
      {.key = {1, 2},
       .source = backend.source(),
       .link_header = backend.link_header()});
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < 1 << 20; ++i) addresses.push_back(i);
  const PrefixSet forbidden;
  const TargetSet targets(std::move(addresses));
  auto strategy = *Register<StrategyModule>::Find("sweep")->make(targets, {});
  measured.start = backend.Now();
  Feedback feedback(1);
  Lane lane({.backend = backend,
             .index = 0,
             .codec = *codec,
             .forbidden = forbidden,
             .strategy = std::move(strategy),
             .pacer = Pacer(pps, measured.start),
             .feedback = feedback,
             .sinks = {}});
  std::jthread sender([&](const std::stop_token& stop) {
    const Nanos before = ThreadTime();
    lane.SendAll(stop);
    measured.cpu = ThreadTime() - before;
  });
  std::this_thread::sleep_for(length);
  sender.request_stop();
  measured.end = backend.Now();
  sender.join();
  return measured;
}

// One frame whenever it is due, and the clock asked all the time between.
Measured RunSpinning(uint64_t pps, Nanos length) {
  DiscardBackend backend;
  Measured measured;
  measured.log.reserve(pps * 4);
  backend.log = &measured.log;
  const Nanos before = ThreadTime();
  measured.start = backend.Now();
  uint64_t sent = 0;
  while (backend.Now() - measured.start < length) {
    const auto due = static_cast<uint64_t>(
        std::chrono::duration<double>(backend.Now() - measured.start).count() *
        static_cast<double>(pps));
    if (sent >= due) continue;
    backend.tx(0).Lend(1);
    if (!backend.tx(0).Send(1).ok()) std::abort();
    ++sent;
  }
  measured.end = backend.Now();
  measured.cpu = ThreadTime() - before;
  return measured;
}

// Probes in each whole window of the run.
std::vector<double> Windows(const Measured& run, Nanos window) {
  std::vector<double> counts(
      static_cast<size_t>((run.end - run.start) / window));
  for (const auto& sent : run.log) {
    const auto index = static_cast<size_t>((sent.when - run.start) / window);
    if (index < counts.size()) counts[index] += static_cast<double>(sent.count);
  }
  return counts;
}

// Standard deviation over mean.
double Variation(const std::vector<double>& counts) {
  double mean = 0, square = 0;
  for (const double count : counts) mean += count;
  mean /= static_cast<double>(counts.size());
  for (const double count : counts) square += (count - mean) * (count - mean);
  return std::sqrt(square / static_cast<double>(counts.size())) / mean;
}

void Print(const char* name, uint64_t pps, const Measured& run) {
  const double seconds =
      std::chrono::duration<double>(run.end - run.start).count();
  uint64_t sent = 0;
  for (const auto& entry : run.log) sent += entry.count;
  const double rate = static_cast<double>(sent) / seconds;
  const auto busiest = Windows(run, std::chrono::milliseconds(1));
  std::printf("%-8s %8lu %11.1f %8.3f %% %9.2f %% %11.2f %8.1f %%\n", name,
              static_cast<unsigned long>(pps), rate,
              100 * (rate / static_cast<double>(pps) - 1),
              100 * Variation(Windows(run, std::chrono::milliseconds(100))),
              *std::max_element(busiest.begin(), busiest.end()) * 1000 /
                  static_cast<double>(pps),
              100 * std::chrono::duration<double>(run.cpu).count() / seconds);
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  using namespace fathom;  // NOLINT(google-build-using-namespace)
  const Nanos length =
      std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 5000);
  std::printf("%-8s %8s %11s %10s %11s %11s %10s\n", "sender", "pps",
              "achieved", "error", "100ms var.", "busiest ms", "of a core");
  for (const uint64_t pps : {1'000, 10'000, 100'000}) {
    Print("lane", pps, RunLane(pps, length));
    Print("spin", pps, RunSpinning(pps, length));
  }
  return 0;
}
