#ifndef FATHOM_SRC_LINKS_SECOND_LOOK_H_
#define FATHOM_SRC_LINKS_SECOND_LOOK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/links/spool_reader.h"

namespace fathom {

// A second look at what a scan has heard so far: which cells are worth another
// probe. It asks only the spool, so it is the same for every strategy, and
// sees paths in the order of the dataset, so what it asks does not depend on
// the order in which replies came.
//
// Each look reads the spool twice: to learn what all paths know together, and
// to choose. Memory: 2 or 3 bytes for each reply, at most 400 MB, and 8 for
// each question, besides what sorting a bucket takes.

// Cells to ask again, of targets that need not be of the list: those of IPv4
// first. 8 bytes each, and 24 of IPv6.
class Questions {
 public:
  size_t size() const { return ipv4_.size() + ipv6_.size(); }
  bool empty() const { return size() == 0; }
  // REQUIRES: index < size().
  Probe operator[](size_t index) const {
    if (index >= ipv4_.size()) return ipv6_[index - ipv4_.size()];
    const Question& question = ipv4_[index];
    return {IpAddress::V4(question.target), Ttl(question.ttl),
            FlowId(question.flow)};
  }

  void Add(const Probe& probe) {
    if (probe.target.family() == Family::kIpv6) {
      ipv6_.push_back(probe);
    } else {
      ipv4_.push_back({probe.target.v4(), probe.flow.value(),  //
                       probe.ttl.value()});
    }
  }

  // In how much memory, that of one of IPv4 being 1.
  size_t weight() const { return ipv4_.size() + 3 * ipv6_.size(); }

 private:
  struct Question {
    uint32_t target;
    uint16_t flow;
    uint8_t ttl;
  };

  std::vector<Question> ipv4_;
  std::vector<Probe> ipv6_;
};

struct LookOptions {
  // 256 MB. One of IPv6 counts as three.
  size_t max_questions = size_t{32} << 20;
  bool silent_places = true;              // See LookForHoles().
  size_t max_bucket_records = 4'000'000;  // As for building the dataset.
  Nanos max_interval = std::chrono::hours(1);
};

struct Look {
  Questions questions;    // Each once, by target, flow and TTL.
  uint64_t left_out = 0;  // Because there were too many.
};

// Holes (see hole_census.h) to repair. Where somebody is known to answer at the
// place: the first kRepairsPerPlace holes there, as a router that answers none
// of so many limits its answers and would answer no more of others; the next
// look has those that are left. Elsewhere, if options.silent_places, one of the
// place's holes, to learn if anybody answers.
inline constexpr int kRepairsPerPlace = 64;
absl::StatusOr<Look> LookForHoles(SpoolReader& spool,
                                  const LookOptions& options);

// Both cells of links that no path confirms (see link_builder.h), on one path
// each: the first that could. Not of links that would be doubtful all the same.
// Besides, cells whose answers have changed, until they have settled or have
// changed back.
absl::StatusOr<Look> LookForDoubts(SpoolReader& spool,
                                   const LookOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SECOND_LOOK_H_
