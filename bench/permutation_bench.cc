// Budget: 15 ns a step, a fifth of what a probe may cost at 10 GbE line rate.
//
// The baseline is the step that ZMap's method takes: a multiplication in the
// cyclic group modulo a prime, and a check of the range, here one that the
// group nearly fills, which is its best case.

#include <benchmark/benchmark.h>

#include <array>

#include "src/schedule/permutation.h"

namespace fathom {
namespace {

// All /24s times 32 TTLs; about 2^29.
constexpr uint64_t kSize = 14'500'000 * uint64_t{32};

void BM_Step(benchmark::State& state) {
  const Permutation permutation(static_cast<uint64_t>(state.range(0)), 7);
  uint64_t index = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(permutation(index));
    if (++index == permutation.size()) index = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Step)->Arg(kSize)->Arg(int64_t{1} << 48);

// Each step waits for the one before it: the latency.
void BM_StepAfterStep(benchmark::State& state) {
  const Permutation permutation(kSize, 7);
  uint64_t number = 0;
  for (auto _ : state) number = permutation(number);
  benchmark::DoNotOptimize(number);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_StepAfterStep);

void BM_Fill(benchmark::State& state) {
  const Permutation permutation(static_cast<uint64_t>(state.range(0)), 7);
  std::array<uint64_t, 64> batch;
  uint64_t index = 0;
  for (auto _ : state) {
    permutation.Fill(index, batch);
    benchmark::DoNotOptimize(batch.data());
    benchmark::ClobberMemory();
    index += batch.size();
    if (index + batch.size() > permutation.size()) index = 0;
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(batch.size()));
}
BENCHMARK(BM_Fill)->Arg(kSize)->Arg(int64_t{1} << 48);

// The least prime past 2^32 that ZMap uses; 3 generates its group.
void BM_CyclicGroupStep(benchmark::State& state) {
  constexpr uint64_t kPrime = (uint64_t{1} << 32) + 15;
  // Seen as unknown, as the group is chosen at run time.
  uint64_t prime = kPrime;
  uint64_t generator = 3;
  benchmark::DoNotOptimize(prime);
  benchmark::DoNotOptimize(generator);
  uint64_t element = 1;
  for (auto _ : state) {
    do {
      element = element * generator % prime;
    } while (element > kSize * 9);
    benchmark::DoNotOptimize(element);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CyclicGroupStep);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
