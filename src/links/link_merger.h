#ifndef FATHOM_SRC_LINKS_LINK_MERGER_H_
#define FATHOM_SRC_LINKS_LINK_MERGER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "fathom/dataset.h"
#include "src/links/link_runs.h"

namespace fathom {

struct MergeOptions {
  // Distinct links held in memory. A slot of the table takes 89 bytes and the
  // table doubles as it grows: the default is what fits 373 MB, and half as
  // much again for a moment while it grows to that.
  size_t max_links = 3'600'000;
  // Where links go that are more than that: 75 bytes each, in a file without a
  // name. Not a file system in memory.
  std::string temp_directory = ".";
};

// Merges observations of links, in any order and as often as they like, into
// the rows of a dataset: each (near, far, gap) once, in order.
//
// Equal links meet in a hash table, since most are seen thousands of times.
// When the table is full its links are written out as a sorted run, and at the
// end the runs are merged while they stream past. Merging commutes and
// associates, so the rows do not depend on what was written out when. One
// thread.
class LinkMerger {
 public:
  using Sink = absl::FunctionRef<absl::Status(std::span<const Link>)>;

  // REQUIRES: options.max_links > 0.
  explicit LinkMerger(MergeOptions options) : options_(std::move(options)) {}

  // Fails only when it has to write out links and cannot.
  absl::Status Add(std::span<const Link> links);

  // Hands over all rows in order, in batches that are valid during the call.
  // Once, at the end.
  absl::Status Drain(Sink sink);

  uint64_t spilled_runs() const { return runs_ ? runs_->runs() : 0; }

 private:
  struct Key {
    IpAddress near;
    IpAddress far;
    uint8_t gap;

    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.near, key.far, key.gap);
    }
  };
  // The rest of a Link.
  struct Sum {
    IpAddress target;
    uint64_t paths;
    Instant first_seen;
    Instant last_seen;
    Ttl min_ttl;
    uint8_t flags;
  };
  using Table = absl::flat_hash_map<Key, Sum>;

  static Link LinkOf(const Table::value_type& entry);
  static Sum SumOf(const Link& link);

  // Writes the table out as a run and empties it.
  absl::Status Spill();
  // Hands over the links of the table in order.
  absl::Status EmitTable(Sink sink) const;

  const MergeOptions options_;
  Table table_;
  std::optional<LinkRuns> runs_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_LINK_MERGER_H_
