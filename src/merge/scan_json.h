#ifndef FATHOM_SRC_MERGE_SCAN_JSON_H_
#define FATHOM_SRC_MERGE_SCAN_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/links/link_stats.h"

namespace fathom {

// Manifests of scans, as far as merging has to understand them: what is of one
// scan, and what two of them say together. Keys that are missing, or hold what
// they never should, are as if they were not known; nothing here fails.

// Keys stay in the order in which they were written.
using ScanJson = nlohmann::ordered_json;

// Which shards of a scan a manifest is of. `of` 0: it is of no shard.
struct ShardPart {
  std::vector<uint32_t> numbers{};  // From 1, ascending.
  uint32_t of = 0;

  // Each shard once.
  bool complete() const;
};

ShardPart ShardPartOf(const ScanJson& scan);
// Complete parts are of the whole scan, so that "shard" goes.
void SetShardPart(const ShardPart& part, ScanJson& scan);

std::string TextAt(const ScanJson& json, const char* key);

// The configuration without what shards of one scan may differ in: their
// number, names of files, and the machine that they ran on.
ScanJson CommonConfiguration(const ScanJson& scan);

// In what two of those differ, to be read by people: "seed: 7 and 8".
std::string DifferenceOf(const ScanJson& a, const ScanJson& b);

// Adds the counts and times of `other` to `scan`; all else stays as it is. What
// is not known of one is not known of both. Commutes and associates.
void AddScan(const ScanJson& other, ScanJson& scan);

// Puts in what was counted in the rows.
void SetRows(uint64_t links, uint64_t gaps, ScanJson& scan);

// What of the holes was probably lost, and what silent, by all paths of the
// scan: how many holes there are stays as it is.
void SetHoles(const HoleCounts& counts, ScanJson& scan);

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_SCAN_JSON_H_
