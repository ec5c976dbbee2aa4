// Budget: 200 ns a reply through Consume(), which is 5 million replies a second
// on one core with the writer on another; a scan at 10 GbE line rate hears
// about that many. Under 20 bytes a reply on disk. The plain records and the
// text lines are what other scanners write, for comparison.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/links_world.h"
#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"

namespace fathom {
namespace {

constexpr uint32_t kTargets = 1 << 16;
constexpr size_t kBatch = 64;

std::string SpoolPath() {
  return std::filesystem::temp_directory_path() /
         ("fathom-spool-bench-" + std::to_string(getpid()));
}

SpoolOptions OptionsFor(uint32_t buckets) {
  SpoolOptions options;
  options.boundaries = ScanBoundaries(kTargets, buckets);
  return options;
}

void Report(benchmark::State& state, uint64_t replies, uint64_t bytes) {
  const auto items = static_cast<int64_t>(replies);
  state.SetItemsProcessed(state.iterations() * items);
  state.counters["bytes/reply"] =
      static_cast<double>(bytes) / static_cast<double>(replies);
}

// Includes waiting for the writer, but not for the disk.
void BM_Consume(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  uint64_t bytes = 0;
  for (auto _ : state) {
    auto spool = ReplySpool::Create(
        SpoolPath(), OptionsFor(static_cast<uint32_t>(state.range(0))));
    if (!spool.ok()) {
      state.SkipWithError(spool.status().ToString().c_str());
      break;
    }
    for (size_t i = 0; i < replies.size(); i += kBatch) {
      (*spool)->inlet(0).Consume(
          replies[i].received,
          std::span(replies).subspan(i, std::min(kBatch, replies.size() - i)));
    }
    spool->reset();
    bytes = std::filesystem::file_size(SpoolPath());
    std::filesystem::remove(SpoolPath());
  }
  Report(state, replies.size(), bytes);
}
BENCHMARK(BM_Consume)
    ->Arg(1)
    ->Arg(64)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void BM_BaselineRawRecords(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  uint64_t bytes = 0;
  for (auto _ : state) {
    FILE* const file = std::fopen(SpoolPath().c_str(), "wb");
    for (const Reply& reply : replies) {
      std::fwrite(&reply, sizeof reply, 1, file);
    }
    std::fclose(file);
    bytes = std::filesystem::file_size(SpoolPath());
    std::filesystem::remove(SpoolPath());
  }
  Report(state, replies.size(), bytes);
}
BENCHMARK(BM_BaselineRawRecords)->UseRealTime()->Unit(benchmark::kMillisecond);

// A line as yarrp writes it.
void BM_BaselineTextLines(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  uint64_t bytes = 0;
  for (auto _ : state) {
    FILE* const file = std::fopen(SpoolPath().c_str(), "wb");
    for (const Reply& reply : replies) {
      const int64_t time = reply.received.time_since_epoch().count();
      std::fprintf(file, "%s %ld %ld %d %d %d %s %ld %d %d %d %d\n",
                   reply.probe.target.ToString().c_str(), time / 1'000'000'000,
                   time / 1000 % 1'000'000, reply.icmp_type, reply.icmp_code,
                   reply.probe.ttl.value(), reply.responder.ToString().c_str(),
                   reply.rtt.count() / 1000, 0, 56, 40,
                   reply.arrival_ttl.value());
    }
    std::fclose(file);
    bytes = std::filesystem::file_size(SpoolPath());
    std::filesystem::remove(SpoolPath());
  }
  Report(state, replies.size(), bytes);
}
BENCHMARK(BM_BaselineTextLines)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_ReadBuckets(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  {
    auto spool = *ReplySpool::Create(SpoolPath(), OptionsFor(8));
    spool->inlet(0).Consume(replies[0].received, replies);
  }
  for (auto _ : state) {
    const auto reader = *SpoolReader::Open(SpoolPath());
    for (size_t bucket = 0; bucket < reader->buckets(); ++bucket) {
      benchmark::DoNotOptimize(reader->ReadBucket(bucket));
    }
  }
  Report(state, replies.size(), std::filesystem::file_size(SpoolPath()));
  std::filesystem::remove(SpoolPath());
}
BENCHMARK(BM_ReadBuckets)->Unit(benchmark::kMillisecond);

// Budget: 25 ns with 64 buckets; two words to compare cost 3.5 ns a halving.
void BM_FindBucket(benchmark::State& state) {
  const auto replies = ScanReplies(1 << 12);
  const BucketMap map(
      ScanBoundaries(1 << 12, static_cast<uint32_t>(state.range(0))));
  size_t sum = 0;
  for (auto _ : state) {
    for (const Reply& reply : replies) sum += map.Find(reply.probe.target);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(replies.size()));
}
BENCHMARK(BM_FindBucket)->Arg(1)->Arg(16)->Arg(64)->Arg(1024);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
