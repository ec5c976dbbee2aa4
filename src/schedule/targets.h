#ifndef FATHOM_SRC_SCHEDULE_TARGETS_H_
#define FATHOM_SRC_SCHEDULE_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/targets.h"
#include "src/net/prefix_set.h"
#include "src/schedule/address_file.h"

namespace fathom {

// From lists of addresses and prefixes to the TargetSet of a scan.

struct TargetOptions {
  std::string path{};  // A file, or "-" for standard input.
  // Which lines to take; unset, all must be of one family.
  std::optional<Family> family{};
  uint64_t seed = 0;
  // How many addresses stand for each unit of a prefix, or for a longer prefix:
  // a /24 of IPv4, of IPv6 what the granularity says (see sampler.h).
  uint32_t per_prefix = 1;
  uint8_t granularity = 0;
  // What may not be probed; may be null. Must outlive the call.
  const PrefixSet* exclusions = nullptr;
  // Keep special-purpose addresses: only for labs.
  bool include_special = false;
  // How many addresses to hold at most, before duplicates are merged.
  uint64_t max_targets = uint64_t{1} << 28;
};

// What became of the lines. It adds up:
// chosen == duplicates + excluded + special + targets.size().
struct TargetCounts {
  uint64_t chosen = 0;      // Addresses that the lines stand for, with repeats.
  uint64_t duplicates = 0;  // Of these, repeats of others.
  uint64_t excluded = 0;    // Distinct addresses that exclusions cut out.
  uint64_t special = 0;     // Distinct addresses cut out as special-purpose.
  // The special-purpose block that cut out most: "10.0.0.0/8 (Private-Use,
  // RFC 1918)". Empty if none did.
  std::string special_most;
};

struct LoadedTargets {
  TargetSet targets;
  TargetCounts counts;
  AddressFileSummary file;
};

// Reads the list at options.path (see address_list.h). An address stands for
// itself, a prefix for some chosen by seed (see sampler.h). Errors name the
// file and the first bad lines; a list that leaves nothing to probe is one.
// It takes some nine bytes an address while it runs, and keeps four; of IPv6 up
// to 32 while its list grows, and keeps 16.
absl::StatusOr<LoadedTargets> LoadTargets(const TargetOptions& options);

// One part of a scan that is dealt to several by the blocks of its targets.
struct Shard {
  uint64_t index = 0;  // From 0.
  uint64_t count = 1;
};

// Whose share of `shards` an address belongs to: even, and a matter of its
// block alone (see fathom/block.h), so that what shares a path stays together,
// whoever asks.
size_t ShardOf(const IpAddress& address, size_t shards);

// The share of `shard`. REQUIRES: shard < shards.
TargetSet Deal(const TargetSet& targets, size_t shard, size_t shards);

// Likewise of the lanes within one scan. Lanes and shards are independent.
size_t LaneOf(const IpAddress& address, size_t lanes);

// The share of each lane.
std::vector<TargetSet> DealToLanes(const TargetSet& targets, size_t lanes);

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_TARGETS_H_
