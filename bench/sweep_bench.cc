// Budget: 30 ns a probe, under half of the 67 ns of 10 GbE line rate, also
// where the targets do not fit in the cache.

#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "fathom/registry.h"
#include "fathom/strategy.h"

namespace fathom {
namespace {

void BM_SweepNext(benchmark::State& state) {
  std::vector<uint32_t> addresses(static_cast<size_t>(state.range(0)));
  for (size_t i = 0; i < addresses.size(); ++i) {
    addresses[i] = static_cast<uint32_t>(i << 8 | 1);
  }
  const TargetSet targets(std::move(addresses));
  const StrategyModule sweep = *Register<StrategyModule>::Find("sweep");
  std::unique_ptr<Strategy> strategy = *sweep.make(targets, {});
  std::array<Probe, 64> batch;
  int64_t probes = 0;
  for (auto _ : state) {
    if (strategy->done()) strategy = *sweep.make(targets, {});
    probes += static_cast<int64_t>(strategy->Next(Instant(), batch));
    benchmark::DoNotOptimize(batch.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(probes);
}
// The near TTLs dealt one by one, and no replies: as far as the walk goes.
void BM_AdaptiveSweepNext(benchmark::State& state) {
  std::vector<uint32_t> addresses(static_cast<size_t>(state.range(0)));
  for (size_t i = 0; i < addresses.size(); ++i) {
    addresses[i] = static_cast<uint32_t>(i << 8 | 1);
  }
  const TargetSet targets(std::move(addresses));
  const StrategyModule sweep = *Register<StrategyModule>::Find("sweep");
  const StrategyOptions options{
      .max_ttl = Ttl(16), .fill = Ttl(32), .neighborhood = Ttl(10)};
  std::unique_ptr<Strategy> strategy = *sweep.make(targets, options);
  std::array<Probe, 64> batch;
  Instant now(std::chrono::seconds(1));
  int64_t probes = 0;
  for (auto _ : state) {
    if (strategy->done()) strategy = *sweep.make(targets, options);
    probes += static_cast<int64_t>(strategy->Next(now, batch));
    now += std::chrono::microseconds(64);  // A million a second.
    benchmark::DoNotOptimize(batch.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(probes);
}
BENCHMARK(BM_AdaptiveSweepNext)->Arg(65'536)->Arg(14'500'000);

BENCHMARK(BM_SweepNext)->Arg(65'536)->Arg(1'000'000)->Arg(14'500'000);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
