// Makes the dataset of a spool of any size, and says how fast and in how much
// memory, for two bounds of it; beside it, the spool alone is read.
//
//   finish_scale MILLION_REPLIES [DIRECTORY]
//
// The replies come in the order of a scan, their targets dealt over all
// buckets; the least bound is far below what a bucket holds.

#include <algorithm>
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
#include "src/links/build_dataset.h"
#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"

namespace fathom {
namespace {

constexpr uint32_t kRepliesPerTarget = 9;  // About.

absl::Status MakeSpool(const std::string& path, uint32_t targets) {
  const SyntheticScan scan(1);
  SpoolOptions options;
  constexpr uint32_t kBuckets = 256;
  // There are no more /24s: beyond that, targets come again.
  const uint32_t distinct = std::min(targets, 1U << 24);
  for (uint32_t i = 1; i < kBuckets; ++i) {
    const auto first = static_cast<uint32_t>(uint64_t{distinct} * i / kBuckets);
    for (uint32_t target = first; target < distinct; ++target) {
      const auto hops = scan.Hops(target, 1);
      if (hops.empty()) continue;
      if (options.boundaries.empty() ||
          options.boundaries.back() < hops[0].probe.target) {
        options.boundaries.push_back(hops[0].probe.target);
      }
      break;
    }
  }
  FATHOM_ASSIGN_OR_RETURN(const auto spool, ReplySpool::Create(path, options));
  uint64_t replies = 0;
  for (uint32_t i = 0; i < targets; ++i) {
    // A step that has no divisor in common with so few targets.
    const auto target =
        static_cast<uint32_t>(uint64_t{i} * 2'654'435'761 % targets);
    const auto hops = scan.Hops(target, 1);
    replies += hops.size();
    spool->inlet(0).Consume(Instant(), hops);
  }
  std::printf("%lu replies\n", replies);
  std::fflush(stdout);
  return spool->Close(Instant(), "{}");
}

absl::Status ReadSpool(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const auto spool, SpoolReader::Open(path));
  uint64_t replies = 0;
  for (size_t bucket = 0; bucket < spool->buckets(); ++bucket) {
    FATHOM_RETURN_IF_ERROR(
        spool->ReadFrames(bucket, [&](std::span<const Reply> batch) {
          replies += batch.size();
          return absl::OkStatus();
        }));
  }
  return replies > 0 ? absl::OkStatus() : absl::DataLossError("no replies");
}

absl::Status Finish(const std::string& path, uint64_t memory) {
  FATHOM_ASSIGN_OR_RETURN(const auto spool, SpoolReader::Open(path));
  FATHOM_ASSIGN_OR_RETURN(const FormatModule format,
                          Register<FormatModule>::Find("parquet"));
  const std::string dataset = absl::StrCat(path, ".", memory);
  FATHOM_ASSIGN_OR_RETURN(const auto writer, format.create({.path = dataset}));
  LinkOptions options = WithMemory(memory);
  options.merge.temp_directory =
      std::filesystem::path(path).parent_path().string();
  FATHOM_RETURN_IF_ERROR(BuildDataset(*spool, options, *writer).status());
  FATHOM_RETURN_IF_ERROR(writer->Finish("{}"));
  std::filesystem::remove_all(dataset);
  return absl::OkStatus();
}

int Run(uint32_t targets, const std::string& directory) {
  const std::string path = directory + "/replies.spool";
  const bool done =
      Measure("spool", [&] { return MakeSpool(path, targets); }) &&
      Measure("read", [&] { return ReadSpool(path); }) &&
      Measure("900 MB", [&] { return Finish(path, kBuildMemory); }) &&
      Measure("100 MB", [&] { return Finish(path, 100'000'000); });
  return done ? 0 : 1;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const double millions = argc > 1 ? std::strtod(argv[1], nullptr) : 0;
  const double targets = millions * 1e6 / fathom::kRepliesPerTarget;
  if (targets < 256 || targets > 16'000'000 * 8.0) {
    std::fprintf(stderr, "finish_scale MILLION_REPLIES [DIRECTORY]\n");
    return 2;
  }
  std::string directory =
      std::string(argc > 2 ? argv[2] : "/var/tmp") + "/finish-scale-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const int code = fathom::Run(static_cast<uint32_t>(targets), directory);
  std::filesystem::remove_all(directory);
  return code;
}
