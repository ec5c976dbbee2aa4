// Budget: 330 ns a reply from the spool to sorted rows and links (3 million a
// second), so that a scan of all /24s, some 250 million replies, is finished in
// a minute and a half; 200 ns an observation in the merger (5 million a
// second). The std::map and the sort of whole replies are the plain ways.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/links_world.h"
#include "src/links/build_dataset.h"
#include "src/links/link_builder.h"
#include "src/links/path_builder.h"
#include "src/links/reply_spool.h"
#include "src/links/sorted_replies.h"

namespace fathom {
namespace {

constexpr uint32_t kTargets = 1 << 16;

std::string SpoolPath() {
  return std::filesystem::temp_directory_path() /
         ("fathom-links-bench-" + std::to_string(getpid()));
}

class NullWriter final : public DatasetWriter {
 public:
  absl::Status WriteReplies(std::span<const Reply>) override {
    return absl::OkStatus();
  }
  absl::Status WriteLinks(std::span<const Link>) override {
    return absl::OkStatus();
  }
  absl::Status Finish(const std::string&) override { return absl::OkStatus(); }
};

std::vector<Link> Observations(std::vector<Reply> replies) {
  std::sort(replies.begin(), replies.end(), ReplyBefore);
  LinkStats stats;
  PathBuilder paths(stats);
  LinkBuilder builder(std::chrono::hours(1), stats);
  std::vector<Link> links;
  const auto build = [&](const Path& path) { builder.Build(path, links); };
  paths.Add(replies, build);
  paths.Finish(build);
  return links;
}

// Reading, sorting, paths, links and merging: all but the writer.
void BM_BuildDataset(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  SpoolOptions spool_options;
  spool_options.boundaries = ScanBoundaries(kTargets, 2);
  {
    auto spool = *ReplySpool::Create(SpoolPath(), spool_options);
    spool->inlet(0).Consume(replies[0].received, replies);
  }
  LinkOptions options;
  options.max_bucket_records = static_cast<size_t>(state.range(0));
  options.merge.temp_directory = std::filesystem::temp_directory_path();
  LinkStats stats;
  for (auto _ : state) {
    const auto reader = *SpoolReader::Open(SpoolPath());
    NullWriter writer;
    stats = *BuildDataset(*reader, options, writer);
  }
  std::filesystem::remove(SpoolPath());
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(replies.size()));
  state.counters["links"] = static_cast<double>(stats.links);
  state.counters["observations"] = static_cast<double>(stats.observations);
}
BENCHMARK(BM_BuildDataset)
    ->Arg(4'000'000)
    ->Arg(200'000)
    ->Unit(benchmark::kMillisecond);

void BM_BaselineSortWholeReplies(benchmark::State& state) {
  const auto replies = ScanReplies(kTargets);
  for (auto _ : state) {
    auto copy = replies;
    std::sort(copy.begin(), copy.end(), ReplyBefore);
    benchmark::DoNotOptimize(copy.data());
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(replies.size()));
}
BENCHMARK(BM_BaselineSortWholeReplies)->Unit(benchmark::kMillisecond);

void BM_MergeLinks(benchmark::State& state) {
  const auto links = Observations(ScanReplies(kTargets));
  MergeOptions options;
  options.max_links = static_cast<size_t>(state.range(0));
  options.temp_directory = std::filesystem::temp_directory_path();
  uint64_t rows = 0;
  for (auto _ : state) {
    LinkMerger merger(options);
    rows = 0;
    bool ok = merger.Add(links).ok();
    ok = ok && merger
                   .Drain([&rows](std::span<const Link> batch) {
                     rows += batch.size();
                     return absl::OkStatus();
                   })
                   .ok();
    if (!ok) state.SkipWithError("the merger failed");
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(links.size()));
  state.counters["rows"] = static_cast<double>(rows);
}
BENCHMARK(BM_MergeLinks)
    ->Arg(3'600'000)
    ->Arg(20'000)
    ->Unit(benchmark::kMillisecond);

void BM_BaselineMergeInMap(benchmark::State& state) {
  const auto links = Observations(ScanReplies(kTargets));
  for (auto _ : state) {
    std::map<std::tuple<IpAddress, IpAddress, uint8_t>, Link> rows;
    for (const Link& link : links) {
      const auto [row, is_new] =
          rows.try_emplace({link.near, link.far, link.gap}, link);
      if (!is_new) MergeInto(row->second, link);
    }
    benchmark::DoNotOptimize(rows.size());
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(links.size()));
}
BENCHMARK(BM_BaselineMergeInMap)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
