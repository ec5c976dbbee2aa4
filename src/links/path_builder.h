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
// A cell is described by its last run: the probes since which all answers were
// alike, in responder and kind. That is all of them but where several routers
// answered. Of the others only that much is kept that a reader of links has to
// know, so that a cell flooded with replies takes no more room than another.
struct Cell {
  Ttl ttl;
  ReplyKind kind;
  bool ambiguous = false;  // Another reply differs in responder or kind.
  bool mixed = false;      // So that no change of route explains it: answers
                           // came back to what they had been before.
  bool ends_path = false;  // A reply was no kHop, or came from the target.
  // Of the earliest reply of the last run: the TTL that it quotes, and what its
  // MPLS labels say.
  Ttl quoted_ttl{};
  enum class Labels : uint8_t {
    kNone,
    kInside,  // The probe's TTL ran out inside a tunnel.
    kEnd,     // It ran out behind one that had hidden its routers.
  };
  Labels labels = Labels::kNone;
  uint8_t answers = 1;  // Probes of the last run; 255 is that or more.
  IpAddress responder;
  Instant received;   // The earliest reply of the last run,
  Nanos rtt;          // and its round-trip time.
  Instant last_sent;  // The latest probe of the last run.

  // When the first probe of the last run was sent, or answered if that is not
  // known.
  Instant first_sent() const;

  // Whether one router stands here now, as far as the answers tell: if they
  // changed, then once, and three or more have been alike since.
  bool settled() const { return !ambiguous || (!mixed && answers >= 3); }
};

// One way towards a target: the cells that answered, TTL ascending. At most 256
// cells of 48 bytes.
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
// sent at another time than those of the first replies, of which sixteen are
// kept in mind; else it is counted as a duplicate. Where that time is not
// known, it is one if it came more than half a second from the others.
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
  void BeginCell(const Reply& reply);
  void BeginRun(const Reply& reply, Cell& cell);
  bool AnswersAnotherProbe(const Reply& reply);

  LinkStats& stats_;
  Path path_;
  // When the probes were sent that the replies of the last cell answer.
  std::array<Instant, 16> sent_{};
  size_t probes_ = 0;
  // Who answered the last cell before its last run.
  struct Answerer {
    IpAddress responder;
    ReplyKind kind;
  };
  std::array<Answerer, 4> earlier_{};
  size_t runs_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_PATH_BUILDER_H_
