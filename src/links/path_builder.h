#ifndef FATHOM_SRC_LINKS_PATH_BUILDER_H_
#define FATHOM_SRC_LINKS_PATH_BUILDER_H_

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fathom/probe.h"
#include "src/links/link_stats.h"

namespace fathom {

// What answered probes of one (target, flow, ttl).
//
// A cell is described by its earliest reply. Of the others only that much is
// kept that a reader of links has to know, so that a cell flooded with replies
// takes no more room than another.
struct Cell {
  Ttl ttl;
  ReplyKind kind;
  bool ambiguous = false;  // Another reply differs in responder or kind.
  bool ends_path = false;  // A reply was no kHop, or came from the target.
  IpAddress responder;
  Instant received;
  Nanos rtt;
};

// One way towards a target: the cells that answered, TTL ascending. At most 256
// cells of 40 bytes.
struct Path {
  IpAddress target;
  FlowId flow;
  std::vector<Cell> cells;
};

// Groups replies into paths. Replies come in the order of the dataset, in
// batches cut anywhere; only the path in hand is kept.
//
// Every reply stays a row of the hops; a second reply to the same (target,
// flow, ttl) makes no second cell. It answers a repeated probe if its probe was
// sent at another time than those of the first replies, of which eight are kept
// in mind; else it is counted as a duplicate.
class PathBuilder {
 public:
  // The path is valid during the call.
  using Sink = absl::FunctionRef<void(const Path&)>;

  // Counts replies, duplicates, cells and paths in `stats`, which outlives
  // this.
  explicit PathBuilder(LinkStats& stats) : stats_(stats) {}

  // Hands over each path that is complete.
  // REQUIRES, over all calls: order by ReplyBefore().
  void Add(std::span<const Reply> replies, Sink sink);

  // Hands over the last path.
  void Finish(Sink sink);

 private:
  void AddToPath(const Reply& reply);
  bool AnswersAnotherProbe(const Reply& reply);

  LinkStats& stats_;
  Path path_;
  // When the probes were sent that the replies of the last cell answer.
  std::array<Instant, 8> sent_{};
  size_t probes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_PATH_BUILDER_H_
