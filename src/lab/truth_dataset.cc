#include "src/lab/truth_dataset.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "src/base/status_macros.h"
#include "src/lab/tally.h"

namespace fathom::lab {
namespace {

constexpr size_t kBatch = 4096;

struct LinkRow {
  uint32_t near = 0;
  uint32_t far = 0;
  uint32_t target = 0;
  uint32_t paths = 1;
  uint8_t min_ttl = 0;
  uint8_t flags = 0;

  uint64_t key() const { return uint64_t{near} << 32 | far; }

  // As MergeInto of src/links/link_builder.h does.
  void Merge(const LinkRow& other) {
    const int doubts = flags & other.flags & kLinkDoubts;
    const int facts = (flags | other.flags) & ~kLinkDoubts;
    flags = static_cast<uint8_t>(doubts | facts);
    target = std::min(target, other.target);
    paths += other.paths;
    min_ttl = std::min(min_ttl, other.min_ttl);
  }
};

struct RouterRow {
  uint32_t address = 0;

  uint64_t key() const { return address; }
  void Merge(const RouterRow& /*other*/) {}
};

Link ToLink(const LinkRow& row) {
  return {.near = IpAddress::V4(row.near),
          .far = IpAddress::V4(row.far),
          .target = IpAddress::V4(row.target),
          .paths = row.paths,
          .min_ttl = Ttl(row.min_ttl),
          .flags = row.flags};
}

Reply ToReply(uint32_t target, const TrueHop& hop) {
  constexpr uint8_t kEchoReply = 0, kTimeExceeded = 11;
  return {.probe = {IpAddress::V4(target), Ttl(hop.distance), FlowId(0)},
          .responder = IpAddress::V4(hop.address),
          .kind = hop.host ? ReplyKind::kDestination : ReplyKind::kHop,
          .icmp_type = hop.host ? kEchoReply : kTimeExceeded,
          .quoted_ttl = Ttl(hop.host ? 0 : 1)};
}

class TruthWriter {
 public:
  TruthWriter(const Scenario& scenario, const TruthOptions& options,
              DatasetWriter& writer)
      : truth_(scenario),
        source_(scenario.source.v4()),
        options_(options),
        writer_(writer) {}

  absl::Status AddTarget(uint32_t target) {
    const FlowKeys keys = CanonicalKeys(source_, target, options_.seed);
    AddHops(target, keys);
    AddLinks(target, keys);
    return replies_.size() < kBatch ? absl::OkStatus() : FlushReplies();
  }

  absl::StatusOr<TruthCounts> Finish() {
    FATHOM_RETURN_IF_ERROR(FlushReplies());
    counts_.routers = routers_.Take().size();
    const std::vector<LinkRow> rows = links_.Take();
    counts_.links = rows.size();
    std::vector<Link> batch;
    for (const LinkRow& row : rows) {
      batch.push_back(ToLink(row));
      if (batch.size() < kBatch && &row != &rows.back()) continue;
      FATHOM_RETURN_IF_ERROR(writer_.WriteLinks(batch));
      batch.clear();
    }
    return counts_;
  }

 private:
  void AddHops(uint32_t target, const FlowKeys& keys) {
    hops_.clear();
    distances_.clear();
    truth_.VisitHops(target, keys, options_.sight, [&](const TrueHop& hop) {
      hops_.push_back(hop);
      const auto [at, first] = distances_.emplace(hop.address, hop.distance);
      at->second = std::min(at->second, hop.distance);
      if (!first) return;
      if (hop.host) {
        ++counts_.hosts;
      } else {
        routers_.Add({hop.address});
      }
    });
    // A hop may come up more than once, and stand at more than one distance.
    std::sort(hops_.begin(), hops_.end(),
              [](const TrueHop& a, const TrueHop& b) {
                return a.distance != b.distance ? a.distance < b.distance
                                                : a.address < b.address;
              });
    hops_.erase(std::unique(hops_.begin(), hops_.end()), hops_.end());
    counts_.hops += hops_.size();
    for (const TrueHop& hop : hops_) replies_.push_back(ToReply(target, hop));
  }

  void AddLinks(uint32_t target, const FlowKeys& keys) {
    path_.clear();
    bool loops = false;
    truth_.VisitLinks(target, keys, options_.sight, [&](const TrueLink& link) {
      loops |= link.kind == LinkKind::kLoopBack;
      if (link.kind == LinkKind::kLoopBack) return;
      const auto near = distances_.find(link.near);
      path_.push_back(
          {.near = link.near,
           .far = link.far,
           .target = target,
           .min_ttl = near == distances_.end() ? uint8_t{0} : near->second});
      if (link.kind == LinkKind::kToHost) {
        path_.back().flags = kLinkToDestination;
      }
    });
    // A link may come up more than once on one path, which is one path still.
    std::sort(
        path_.begin(), path_.end(),
        [](const LinkRow& a, const LinkRow& b) { return a.key() < b.key(); });
    for (size_t i = 0; i < path_.size(); ++i) {
      if (i > 0 && path_[i - 1].key() == path_[i].key()) continue;
      if (loops) path_[i].flags |= kLinkInLoop;
      links_.Add(path_[i]);
    }
  }

  absl::Status FlushReplies() {
    absl::Status status = writer_.WriteReplies(replies_);
    replies_.clear();
    return status;
  }

  const Truth truth_;
  const uint32_t source_;
  const TruthOptions options_;
  DatasetWriter& writer_;
  TruthCounts counts_;
  Tally<LinkRow> links_;
  Tally<RouterRow> routers_;
  // Of one target.
  std::vector<TrueHop> hops_;
  absl::flat_hash_map<uint32_t, uint8_t> distances_;
  std::vector<LinkRow> path_;
  // Of some.
  std::vector<Reply> replies_;
};

}  // namespace

absl::StatusOr<TruthCounts> WriteTruth(const Scenario& scenario,
                                       std::span<const uint32_t> targets,
                                       const TruthOptions& options,
                                       DatasetWriter& writer) {
  TruthWriter truth(scenario, options, writer);
  for (const uint32_t target : targets) {
    FATHOM_RETURN_IF_ERROR(truth.AddTarget(target));
  }
  return truth.Finish();
}

}  // namespace fathom::lab
