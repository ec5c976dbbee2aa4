// Merges made-up shards, and says how fast and in how much memory; beside it
// the cheapest that could be done with the same rows: to read them and write
// them again, dataset by dataset.
//
//   merge_scale SHARDS TARGETS_EACH [DIRECTORY]
//
// A target has some 9 replies.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/links/link_merger.h"
#include "src/merge/merge_datasets.h"

namespace fathom {
namespace {

std::string ManifestOf(uint32_t shard, uint32_t of) {
  return absl::StrCat(
      "{\"start\": \"2026-01-01T00:00:00.000Z\", \"replies\": {\"valid\": 1}, "
      "\"links\": {}, \"holes\": {\"by_ttl\": []}, \"shard\": {\"number\": ",
      shard + 1, ", \"of\": ", of, "}}");
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const FormatModule format,
                          Register<FormatModule>::Find("parquet"));
  return format.create({.path = path});
}

// The targets of a shard, each of which is every `of`-th.
absl::Status MakeShard(const std::string& path, uint32_t shard, uint32_t of,
                       uint32_t targets) {
  const SyntheticScan scan(1);
  FATHOM_ASSIGN_OR_RETURN(const auto writer, Create(path));
  LinkMerger links({.temp_directory = "/var/tmp"});
  for (uint32_t i = 0; i < targets; ++i) {
    const auto hops = scan.Hops(i * of + shard, 1);
    FATHOM_RETURN_IF_ERROR(links.Add(SyntheticScan::Links(hops)));
    FATHOM_RETURN_IF_ERROR(writer->WriteReplies(hops));
  }
  FATHOM_RETURN_IF_ERROR(links.Drain(
      [&](std::span<const Link> rows) { return writer->WriteLinks(rows); }));
  return writer->Finish(ManifestOf(shard, of));
}

absl::Status Rewrite(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(path));
    FATHOM_ASSIGN_OR_RETURN(const auto writer, Create(path + ".again"));
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
      if (links.empty()) break;
      FATHOM_RETURN_IF_ERROR(writer->WriteLinks(links));
    }
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
      if (replies.empty()) break;
      FATHOM_RETURN_IF_ERROR(writer->WriteReplies(replies));
    }
    FATHOM_RETURN_IF_ERROR(writer->Finish(reader->manifest()));
  }
  return absl::OkStatus();
}

int Run(uint32_t shards, uint32_t targets, const std::string& directory) {
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < shards; ++i) {
    paths.push_back(absl::StrCat(directory, "/shard-", i));
    if (!Measure("make",
                 [&] { return MakeShard(paths.back(), i, shards, targets); })) {
      return 1;
    }
  }
  const std::string merged = directory + "/merged";
  const bool done = Measure("rewrite", [&] { return Rewrite(paths); }) &&
                    Measure("merge", [&]() -> absl::Status {
                      FATHOM_ASSIGN_OR_RETURN(
                          const MergeSummary summary,
                          MergeDatasets({.inputs = paths, .output = merged}));
                      std::printf("%lu hops, %lu links, %lu gaps\n",
                                  summary.hops, summary.links, summary.gaps);
                      std::fflush(stdout);
                      return absl::OkStatus();
                    });
  return done ? 0 : 1;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc < 3) {
    std::fprintf(stderr, "merge_scale SHARDS TARGETS_EACH [DIRECTORY]\n");
    return 2;
  }
  std::string directory =
      std::string(argc > 3 ? argv[3] : "/var/tmp") + "/merge-scale-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const int code = fathom::Run(
      static_cast<uint32_t>(std::strtoul(argv[1], nullptr, 10)),
      static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)), directory);
  std::filesystem::remove_all(directory);
  return code;
}
