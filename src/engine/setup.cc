#include "src/engine/setup.h"

#include <sched.h>

#include <algorithm>

#include "src/base/hash.h"

namespace fathom {
namespace {

// If every probe were answered, a bucket would have this many replies and be
// sorted in 160 MB. The buffers of all buckets take at most 270 MB, half of
// that for sixteen million targets at 32 TTLs.
constexpr uint64_t kRepliesPerBucket = 2'000'000;
constexpr uint64_t kMaxBuckets = 512;
constexpr size_t kSmallestBuffer = 256;

}  // namespace

CodecOptions CodecOptionsOf(const ScanOptions& options, uint16_t flows) {
  return {.key = {Derive(options.seed, kSeedKeyLow),
                  Derive(options.seed, kSeedKeyHigh)},
          .flows = flows,
          .min_ttl = options.min_ttl,
          .max_ttl = std::max(options.max_ttl, options.fill),
          .contact = options.contact};
}

StrategyOptions StrategyOptionsOf(const ScanOptions& options) {
  return {.min_ttl = options.min_ttl,
          .max_ttl = options.max_ttl,
          .seed = Derive(options.seed, kSeedOrder),
          .probes = options.probes,
          .fill = options.fill,
          .neighborhood = options.neighborhood,
          .router_pps = options.router_pps,
          .confidence = options.confidence,
          .prefix_probes = options.prefix_probes,
          .min_yield = options.min_yield};
}

SpoolOptions SpoolOptionsOf(const ScanOptions& options,
                            const TargetSet& targets, size_t receivers) {
  const uint64_t probes =
      targets.size() * options.probes *
      (options.max_ttl.value() - options.min_ttl.value() + 1U);
  SpoolOptions spool;
  spool.boundaries = EvenBoundaries(
      targets,
      std::clamp<uint64_t>(probes / kRepliesPerBucket, 1, kMaxBuckets));
  spool.inlets = receivers;
  // As much memory for many receivers as for one.
  spool.buffer_records =
      std::max<size_t>(kSmallestBuffer, spool.buffer_records / receivers);
  return spool;
}

bool OneProcessor(const std::vector<int>& processors) {
  if (!processors.empty()) return processors.size() == 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

}  // namespace fathom
