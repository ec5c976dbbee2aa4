#ifndef FATHOM_SRC_MERGE_DIFF_DATASETS_H_
#define FATHOM_SRC_MERGE_DIFF_DATASETS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/dataset.h"

namespace fathom {

// Compares two datasets: which links and interfaces came, went or stayed from
// the first to the second.
//
// Links are those without a gap. An interface is a responder of hops. What a
// dataset lacks may just not have been asked for: how many targets answered in
// one of the two only is counted, and `common_targets` leaves those out. Then
// links are read off the hops once more, whose times are to the second; where
// probes were repeated, a doubt may differ from the one in the dataset.
//
// All streams past in order but for the interfaces (and links, with
// `common_targets`), which are collected in up to 373 MB each, and then in a
// temporary file: see link_merger.h.

enum class Change : uint8_t { kCame, kWent, kStayed };
inline constexpr const char* kChangeOfNames[] = {"came", "went", "stayed"};

// A link of either dataset. What a side did not see has no paths; an interface
// is its `near`, and replies are its paths.
struct ChangedRow {
  Change change = Change::kStayed;
  Link a{};
  Link b{};

  const Link& any() const { return change == Change::kCame ? b : a; }
};

// Takes the rows, ascending, links before interfaces.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual absl::Status TakeLink(const ChangedRow& row) = 0;
  virtual absl::Status TakeInterface(const ChangedRow& row) = 0;
};

struct DiffOptions {
  std::string a{};
  std::string b{};
  bool common_targets = false;
  // Where goes what does not fit in memory, and how many rows do.
  std::string temp_directory = ".";
  size_t max_rows = 3'600'000;
  // Called now and then; a status that is not OK ends the work.
  std::function<absl::Status()> on_progress{};
};

// By Change.
using ChangeCounts = std::array<uint64_t, 3>;

struct DiffSummary {
  // Links without a doubt, on both sides if they stayed; and the others.
  ChangeCounts trusted{};
  ChangeCounts doubtful{};
  ChangeCounts interfaces{};
  uint64_t targets_common = 0;  // Targets with a reply in either,
  uint64_t targets_a = 0;       // or in one only.
  uint64_t targets_b = 0;
};

absl::StatusOr<DiffSummary> DiffDatasets(const DiffOptions& options,
                                         ChangeSink& sink);

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_DIFF_DATASETS_H_
