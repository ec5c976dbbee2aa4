#ifndef FATHOM_SRC_ENGINE_MANIFEST_H_
#define FATHOM_SRC_ENGINE_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/engine/scan.h"
#include "src/net/prefix_set.h"

namespace fathom {

// The manifest of a dataset: a JSON object with all that a reader must know of
// the scan to trust or to repeat it. Its keys are in src/dataset/FORMAT.md.
//
// Nothing in it depends on the machine or on the hour but what the clock of
// the scan says, so equal scans in virtual time have equal manifests.

// What is known of a scan when its dataset is made.
struct ScanRecord {
  ScanEnd end = ScanEnd::kDone;
  std::string trouble{};
  std::string configuration = "{}";  // A JSON object.
  bool verify = false;  // Links that were not confirmed are marked.
  Instant start{};
  std::optional<Instant> sending_end{};  // Unknown of a scan that was killed.
  Instant stop{};
  std::optional<ScanCounts> counts{};  // Likewise.
  LinkStats links{};
  uint64_t damaged_bytes = 0;  // Of the spool, lost by a crash.
  std::string vantage{};
  Shard shard{};
  std::vector<Resumption> resumed{};
  // What goes into the spool for a scan that is resumed.
  size_t lanes = 1;
  PrefixSet forbidden{};
};

std::string MakeManifest(const ScanRecord& record);

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_MANIFEST_H_
