// Budget: 100 ns a row to write and 50 ns to read on one core, so that a
// billion hops take two minutes; 4 bytes a hop. A link has 7 bytes and two
// times, which chance has made: 1.5 bytes each for a scan of an hour.
//
// Each is beside the plainest thing that could be done: the same rows as CSV
// through zstd, and the same columns PLAIN through zstd.

#include <benchmark/benchmark.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/parquet/writer.h"
#include "src/dataset/parquet_table_writer.h"
#include "src/dataset/tables.h"

namespace fathom {
namespace {

constexpr uint32_t kTargets = 200'000;

const std::vector<Reply>& Hops() {
  static const std::vector<Reply> hops = SyntheticScan(1).Hops(0, kTargets);
  return hops;
}

const std::vector<Link>& Links() {
  static const std::vector<Link> links = [] {
    std::vector<Link> all =
        SyntheticScan::Links(SyntheticScan(1).Hops(0, 3 * kTargets));
    std::erase_if(all, [](const Link& link) { return link.gap != 0; });
    return all;
  }();
  return links;
}

class Scratch {
 public:
  Scratch() {
    std::string name =
        (std::filesystem::temp_directory_path() / "fathom-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }

  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string Path(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void Report(benchmark::State& state, size_t rows, uint64_t bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));
  state.counters["bytes_per_row"] =
      static_cast<double>(bytes) / static_cast<double>(rows);
}

absl::Status WriteRows(DatasetWriter& writer, std::span<const Reply> rows) {
  return writer.WriteReplies(rows);
}
absl::Status WriteRows(DatasetWriter& writer, std::span<const Link> rows) {
  return writer.WriteLinks(rows);
}

template <typename Record>
absl::Status WriteFormat(const char* format, const FormatOptions& options,
                         const std::vector<Record>& rows) {
  const auto module = Register<FormatModule>::Find(format);
  if (!module.ok()) return module.status();
  const auto writer = module->create(options);
  if (!writer.ok()) return writer.status();
  const absl::Status status = WriteRows(**writer, rows);
  return status.ok() ? (*writer)->Finish("{}") : status;
}

// A whole dataset, synced to the disk.
template <typename Record>
void WriteParquet(benchmark::State& state, const std::vector<Record>& rows,
                  const char* table) {
  const Scratch scratch;
  for (auto _ : state) {
    std::filesystem::remove_all(scratch.Path("scan"));
    const auto status =
        WriteFormat("parquet", {.path = scratch.Path("scan")}, rows);
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  Report(state, rows.size(),
         std::filesystem::file_size(scratch.Path("scan/") + table));
}

template <typename Record>
absl::StatusOr<std::span<const Record>> Next(DatasetReader& reader) {
  if constexpr (std::is_same_v<Record, Reply>) return reader.NextReplies();
  if constexpr (std::is_same_v<Record, Link>) return reader.NextLinks();
}

template <typename Record>
void ReadParquet(benchmark::State& state, const std::vector<Record>& rows) {
  const Scratch scratch;
  auto status = WriteFormat("parquet", {.path = scratch.Path("scan")}, rows);
  for (auto _ : state) {
    const auto reader = OpenDataset(scratch.Path("scan"));
    size_t count = 0;
    while (reader.ok()) {
      const auto batch = Next<Record>(**reader);
      if (!batch.ok() || batch->empty()) break;
      count += batch->size();
    }
    if (!status.ok() || count != rows.size()) state.SkipWithError("unread");
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(rows.size()));
}

// Baseline: the same columns, all PLAIN.
template <typename Record, typename Row>
void WritePlain(benchmark::State& state, const std::vector<Record>& rows,
                Table table) {
  const Scratch scratch;
  const std::string path = scratch.Path("plain");
  const auto used = SchemaOf(table, Family::kIpv4).columns;
  std::vector<parquet::Column> columns(used.begin(), used.end());
  for (auto& column : columns) column.layout = parquet::Layout::kPlain;
  const parquet::Schema schema = {columns, 0};
  for (auto _ : state) {
    std::filesystem::remove(path);
    auto file = parquet::Writer::Create(path, schema);
    if (!file.ok()) return state.SkipWithError("no file");
    ParquetTableWriter<Record, Row> writer(*std::move(file), schema,
                                           SpellingsOf(table));
    const bool written = writer.Write(rows).ok() && writer.Finish({}).ok();
    if (!written) state.SkipWithError("not written");
  }
  Report(state, rows.size(), std::filesystem::file_size(path));
}

// Baseline: the same rows as text. The size is that of the text through zstd;
// the time is that of the text alone.
template <typename Record>
void WriteCsv(benchmark::State& state, const std::vector<Record>& rows,
              Table table) {
  const Scratch scratch;
  const std::string path = scratch.Path("csv");
  for (auto _ : state) {
    std::filesystem::remove(path);
    const auto status =
        WriteFormat("csv", {.path = path, .table = table}, rows);
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  std::string text(std::filesystem::file_size(path), '\0');
  FILE* const file = fopen(path.c_str(), "rb");
  if (file == nullptr || fread(text.data(), 1, text.size(), file) == 0) {
    return state.SkipWithError("no text");
  }
  fclose(file);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  Report(
      state, rows.size(),
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
}

void HopsWrite(benchmark::State& state) {
  WriteParquet(state, Hops(), "hops.parquet");
}
void HopsWritePlain(benchmark::State& state) {
  WritePlain<Reply, HopRow>(state, Hops(), Table::kHops);
}
void HopsWriteCsv(benchmark::State& state) {
  WriteCsv(state, Hops(), Table::kHops);
}
void HopsRead(benchmark::State& state) { ReadParquet(state, Hops()); }

void LinksWrite(benchmark::State& state) {
  WriteParquet(state, Links(), "links.parquet");
}
void LinksWritePlain(benchmark::State& state) {
  WritePlain<Link, LinkRow>(state, Links(), Table::kLinks);
}
void LinksWriteCsv(benchmark::State& state) {
  WriteCsv(state, Links(), Table::kLinks);
}
void LinksRead(benchmark::State& state) { ReadParquet(state, Links()); }

BENCHMARK(HopsWrite)->Unit(benchmark::kMillisecond);
BENCHMARK(HopsWritePlain)->Unit(benchmark::kMillisecond);
BENCHMARK(HopsWriteCsv)->Unit(benchmark::kMillisecond);
BENCHMARK(HopsRead)->Unit(benchmark::kMillisecond);
BENCHMARK(LinksWrite)->Unit(benchmark::kMillisecond);
BENCHMARK(LinksWritePlain)->Unit(benchmark::kMillisecond);
BENCHMARK(LinksWriteCsv)->Unit(benchmark::kMillisecond);
BENCHMARK(LinksRead)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
