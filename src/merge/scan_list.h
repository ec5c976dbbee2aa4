#ifndef FATHOM_SRC_MERGE_SCAN_LIST_H_
#define FATHOM_SRC_MERGE_SCAN_LIST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/links/link_stats.h"
#include "src/merge/scan_json.h"

namespace fathom {

// Which scans several datasets hold, which of them are shards of one scan, and
// what they are called together.
//
// The list is the same in whatever order, and by whatever steps, the datasets
// are merged: shards of one scan become one scan as soon as they meet, scans
// are numbered by vantage point and start, and a manifest of several scans
// keeps the manifest of each.

// What may be merged.
enum class ShardRule {
  kWhole,     // Each shard of a scan, once.
  kPartial,   // Shards may be missing.
  kAnything,  // A step on the way: the scans were looked at already.
};

// What was counted while the rows were merged.
struct ScanRows {
  uint64_t links = 0;
  uint64_t gaps = 0;
  std::optional<HoleCounts> holes{};
};

struct ListedScan {
  ScanJson manifest;
  std::string path;      // A dataset that it is of, for messages.
  bool joined = false;   // Of several inputs, so that counts have changed.
  uint64_t replies = 0;  // As its manifest says.
};

class ScanList {
 public:
  struct Input {
    std::string path;
    std::string manifest;
    bool several_scans = false;
  };

  // Fails, naming the inputs, if they should not be merged.
  static absl::StatusOr<ScanList> Make(std::span<const Input> inputs,
                                       ShardRule rule);

  // In the order of their numbers.
  const std::vector<ListedScan>& scans() const { return scans_; }

  // The number of each scan of the input.
  const std::vector<uint16_t>& numbers(size_t input) const {
    return numbers_[input];
  }

  // The manifest of them all. `rows`: of each scan, and of all together.
  std::string MakeManifest(std::span<const ScanRows> rows,
                           const ScanRows& all) const;

 private:
  std::vector<ListedScan> scans_;
  std::vector<std::vector<uint16_t>> numbers_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_SCAN_LIST_H_
