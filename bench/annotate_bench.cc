// Budget: 50 ns a look-up of a random IPv4 address, a million prefixes, one
// core: tens of millions a second, so that annotating is as fast as reading.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

#include "src/annotate/prefix_table.h"

namespace fathom {
namespace {

// Lengths as they are routed: three in five /24s, nearly all of the rest
// between /16 and /23; for IPv6 half of them /48s.
uint8_t Length(std::mt19937_64& chance, bool v6) {
  const bool longest = chance() % 5 < 3;
  if (v6) return static_cast<uint8_t>(longest ? 48 : 29 + chance() % 19);
  return static_cast<uint8_t>(longest ? 24 : 16 + chance() % 8);
}

IpAddress Address(std::mt19937_64& chance, bool v6) {
  if (!v6) return IpAddress::V4(static_cast<uint32_t>(chance()));
  // 2000::/3, most of it in some hundred /16s and /24s.
  return IpAddress::V6(
      0x2000'0000'0000'0000 | (chance() & 0x0f07'07ff'ffff'ffff), chance());
}

PrefixTable MakeTable(bool v6, size_t prefixes) {
  std::mt19937_64 chance(1);
  std::vector<PrefixTable::Entry> entries;
  for (size_t i = 0; i < prefixes; ++i) {
    entries.push_back({Prefix(Address(chance, v6), Length(chance, v6)),
                       static_cast<uint32_t>(chance() % 90'000)});
  }
  return PrefixTable::Build(std::move(entries));
}

void Find(benchmark::State& state) {
  const bool v6 = state.range(0) == 6;
  const PrefixTable table = MakeTable(v6, static_cast<size_t>(state.range(1)));
  std::mt19937_64 chance(2);
  std::vector<IpAddress> asked;
  for (int i = 0; i < 1 << 20; ++i) asked.push_back(Address(chance, v6));
  if (state.range(2) == 1) std::sort(asked.begin(), asked.end());
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Find(asked[next]));
    next = (next + 1) & (asked.size() - 1);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Find)
    ->ArgNames({"family", "prefixes", "sorted"})
    ->Args({4, 1'000'000, 0})
    ->Args({4, 1'000'000, 1})
    ->Args({6, 200'000, 0})
    ->Args({6, 200'000, 1});

void Build(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        MakeTable(false, static_cast<size_t>(state.range(0))));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Build)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
