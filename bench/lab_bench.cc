// The lab must not be what a simulated scan waits for.
//
// Budget: 500 ns a probe, reply included, so that a core carries 2 M a second;
// 200 ns for the route of a probe.

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/hash.h"
#include "src/codec/headers.h"
#include "src/lab/network.h"
#include "src/lab/scenario.h"
#include "src/lab/survey.h"
#include "src/lab/topology.h"
#include "src/lab/truth.h"
#include "tests/lab_packets.h"

namespace fathom::lab {
namespace {

constexpr size_t kProbes = 1 << 16;
constexpr Instant kStart{std::chrono::seconds(1'767'225'600)};

// A probe as a scan sends it, to any target of the space at any TTL to 16.
std::vector<std::byte> MakeProbe(uint64_t index, uint32_t target) {
  const uint64_t chance = Derive(7, index);
  return Make({.target = target,
               .ttl = static_cast<uint8_t>(1 + chance % 16),
               .id = static_cast<uint16_t>(chance >> 40),
               .sequence = static_cast<uint16_t>(index)});
}

// A /8, or all of IPv4.
Scenario OfSize(int64_t slash24s) {
  Scenario scenario;
  if (slash24s == 1 << 16) scenario.space = {*Prefix::Parse("4.0.0.0/8")};
  return scenario;
}

std::vector<std::vector<std::byte>> MakeProbes(const Scenario& scenario) {
  std::vector<std::vector<std::byte>> probes(kProbes);
  for (size_t i = 0; i < kProbes; ++i) {
    probes[i] = MakeProbe(i, SampleAddress(scenario, i));
  }
  return probes;
}

void BM_Land(benchmark::State& state) {
  const Scenario scenario = OfSize(state.range(0));
  const Topology topology(scenario);
  const auto probes = MakeProbes(scenario);
  size_t i = 0;
  for (auto _ : state) {
    const auto ip = Load<Ipv4Header>(probes[i++ % kProbes]);
    const Landing landing =
        topology.Land(ip.destination, {.flow = i, .addresses = i}, ip.ttl);
    benchmark::DoNotOptimize(landing);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_Land)->Arg(1 << 16)->Arg(14'461'952);

// A million probes a second of virtual time, so that as many replies are on
// their way at once as in a fast scan. Each probe is sent twice a second or
// less often in a real scan; here some come again after 65 ms.
void BM_SendAndReceive(benchmark::State& state) {
  const Scenario scenario = OfSize(state.range(0));
  const auto probes = MakeProbes(scenario);
  Network network(scenario);
  std::array<RxFrame, 64> frames;
  Instant now = kStart;
  size_t i = 0;
  uint64_t heard = 0;
  for (auto _ : state) {
    network.Send(now, probes[i++ % kProbes]);
    now += Nanos(1000);
    if (i % 32 == 0) heard += network.Receive(now, frames);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  state.counters["replies_per_probe"] =
      static_cast<double>(heard) / static_cast<double>(i);
}
BENCHMARK(BM_SendAndReceive)->Arg(1 << 16)->Arg(14'461'952);

void BM_Truth(benchmark::State& state) {
  const Scenario scenario = OfSize(1 << 16);
  const Truth truth(scenario);
  std::vector<uint32_t> targets;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    targets.push_back(prefix.first().v4() + 1);
  });
  const auto keys = [](uint32_t target) {
    return AddressKeys(kSource, target);
  };
  size_t links = 0;
  for (auto _ : state) {
    links = truth.Links(targets, keys, Sight::kAnyFlow).size();
  }
  state.SetItemsProcessed(
      static_cast<int64_t>(state.iterations() * targets.size()));
  state.counters["links"] = static_cast<double>(links);
}
BENCHMARK(BM_Truth)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fathom::lab

BENCHMARK_MAIN();
