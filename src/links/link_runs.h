#ifndef FATHOM_SRC_LINKS_LINK_RUNS_H_
#define FATHOM_SRC_LINKS_LINK_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/base/unique_fd.h"

namespace fathom {

// The order of links in a dataset, which is also their identity.
bool LinkBefore(const Link& a, const Link& b);
bool SameLink(const Link& a, const Link& b);

// Sorted runs of links in one temporary file, 75 bytes a link. The file has no
// name, so it is gone with the process, however that ends. One thread.
class LinkRuns {
 public:
  using Sink = absl::FunctionRef<absl::Status(std::span<const Link>)>;

  // Makes the file in `directory`.
  static absl::StatusOr<LinkRuns> Create(const std::string& directory);

  // Begins the next run; Append() adds to it.
  void Begin() { begins_.push_back(size_); }

  // REQUIRES, over all calls for one run: strict order by LinkBefore().
  absl::Status Append(std::span<const Link> links);

  // Hands over the links of all runs in order, equal ones merged, in batches
  // that are valid during the call. Memory: 32 MB for all runs together, or 6
  // KB a run if there are more than five thousand.
  absl::Status Merge(Sink sink) const;

  size_t runs() const { return begins_.size(); }

 private:
  LinkRuns(UniqueFd fd, std::string directory)
      : fd_(std::move(fd)), directory_(std::move(directory)) {}

  UniqueFd fd_;
  std::string directory_;
  std::vector<uint64_t> begins_;  // Offsets of the runs in the file.
  uint64_t size_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_LINK_RUNS_H_
