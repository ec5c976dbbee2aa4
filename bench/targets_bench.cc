// Budget: 15 million lines in 3 s, 200 ns a line, and 200 MB.
//
// The baseline is what a plain tool does: std::getline and inet_pton.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/base/hash.h"
#include "src/schedule/targets.h"

namespace fathom {
namespace {

// A file of random addresses, in no order.
class RandomList {
 public:
  explicit RandomList(int64_t lines)
      : path_(std::filesystem::temp_directory_path() / "fathom_targets_bench") {
    std::ofstream out(path_);
    for (int64_t i = 0; i < lines; ++i) {
      const uint64_t random = Derive(1, static_cast<uint64_t>(i));
      out << IpAddress::V4(static_cast<uint32_t>(random)).ToString() << '\n';
    }
  }
  ~RandomList() { std::filesystem::remove(path_); }
  RandomList(const RandomList&) = delete;
  RandomList& operator=(const RandomList&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Of the process so far, so it says something of the first benchmark that runs
// only.
double PeakMegabytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1000;
}

void BM_LoadTargets(benchmark::State& state) {
  const RandomList list(state.range(0));
  TargetOptions options;
  options.path = list.path();
  for (auto _ : state) {
    const auto loaded = LoadTargets(options);
    if (!loaded.ok()) return state.SkipWithError("cannot load");
    benchmark::DoNotOptimize(loaded->targets.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["peak_MB"] = PeakMegabytes();
}
BENCHMARK(BM_LoadTargets)
    ->Arg(1'000'000)
    ->Arg(15'000'000)
    ->Unit(benchmark::kMillisecond);

void BM_LoadWithGetline(benchmark::State& state) {
  const RandomList list(state.range(0));
  for (auto _ : state) {
    std::ifstream in(list.path());
    std::vector<uint32_t> addresses;
    std::string line;
    while (std::getline(in, line)) {
      in_addr address;
      if (inet_pton(AF_INET, line.c_str(), &address) != 1) continue;
      addresses.push_back(ntohl(address.s_addr));
    }
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()),
                    addresses.end());
    benchmark::DoNotOptimize(addresses.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_LoadWithGetline)
    ->Arg(1'000'000)
    ->Arg(15'000'000)
    ->Unit(benchmark::kMillisecond);

// One address a /24, with gaps: a quarter of the /16s is not routed.
TargetSet Internet() {
  std::vector<uint32_t> addresses;
  for (uint32_t slash24 = 1 << 16; slash24 < 224 << 16; ++slash24) {
    if (Mix(slash24 >> 8) % 4 == 0) continue;
    addresses.push_back(slash24 << 8 |
                        static_cast<uint32_t>(Mix(slash24) & 255));
  }
  return TargetSet(std::move(addresses));
}

void BM_Find(benchmark::State& state) {
  const TargetSet targets = Internet();
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        targets.Find(targets[Derive(2, i++) % targets.size()]));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Find);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
