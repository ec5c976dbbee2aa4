#ifndef FATHOM_SRC_ENGINE_SETUP_H_
#define FATHOM_SRC_ENGINE_SETUP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fathom/probe_codec.h"
#include "fathom/strategy.h"
#include "fathom/targets.h"
#include "src/engine/scan.h"
#include "src/links/reply_spool.h"

namespace fathom {

// What the parts of a scan are given, as its options have it.

// Independent numbers that follow from the scan's seed.
enum SeedUse : uint64_t {
  kSeedKeyLow,
  kSeedKeyHigh,
  kSeedOrder,
  kSeedSecondLook
};

CodecOptions CodecOptionsOf(const ScanOptions& options, uint16_t flows);

StrategyOptions StrategyOptionsOf(const ScanOptions& options);

// Without the metadata.
SpoolOptions SpoolOptionsOf(const ScanOptions& options,
                            const TargetSet& targets, size_t receivers);

// Whether there is one processor for all threads: then they are in each
// other's way, and one does better.
bool OneProcessor(const std::vector<int>& processors);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_SETUP_H_
