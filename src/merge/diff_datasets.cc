#include "src/merge/diff_datasets.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/links/build_dataset.h"
#include "src/links/link_builder.h"
#include "src/links/link_merger.h"
#include "src/links/path_builder.h"

namespace fathom {
namespace {

// While rows of both datasets go through one merger, this tells whose they are:
// links without a gap do not need the field.
constexpr uint8_t kSideA = 0;
constexpr uint8_t kSideB = 1;

// Batches between two calls of on_progress.
constexpr uint64_t kProgressBatches = 256;

bool Trusted(const Link& link) { return (link.flags & kLinkDoubts) == 0; }

bool SamePair(const Link& a, const Link& b) {
  return a.near == b.near && a.far == b.far;
}

// Makes changes of rows in the order of (near, far, side).
class Pairs {
 public:
  using Sink = std::function<absl::Status(const ChangedRow&)>;

  explicit Pairs(Sink sink) : sink_(std::move(sink)) {}

  absl::Status Take(Link row) {
    const bool of_b = std::exchange(row.gap, uint8_t{0}) == kSideB;
    if (of_b && held_ && SamePair(*held_, row)) {
      const ChangedRow change{.change = Change::kStayed, .a = *held_, .b = row};
      held_.reset();
      return sink_(change);
    }
    FATHOM_RETURN_IF_ERROR(Finish());
    if (of_b) return sink_({.change = Change::kCame, .b = row});
    held_ = row;
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (!held_) return absl::OkStatus();
    const ChangedRow change{.change = Change::kWent, .a = *held_};
    held_.reset();
    return sink_(change);
  }

 private:
  const Sink sink_;
  std::optional<Link> held_;  // Of A, until it is known whether B has it.
};

bool IsVerified(const std::string& manifest) {
  const auto json = nlohmann::json::parse(manifest, nullptr, false);
  const nlohmann::json::json_pointer path("/configuration/verify_times");
  return json.is_object() && json.contains(path) &&
         json.at(path).is_number_unsigned() && json.at(path) != 0U;
}

// One of the two, as it streams past.
class Side {
 public:
  static absl::StatusOr<std::unique_ptr<Side>> Open(const std::string& path,
                                                    uint8_t number) {
    FATHOM_ASSIGN_OR_RETURN(auto reader, OpenDataset(path));
    return std::unique_ptr<Side>(new Side(std::move(reader), number));
  }

  // The hops, one by one.
  absl::Status NextReply() {
    if (++reply_ < replies_.size()) return absl::OkStatus();
    FATHOM_ASSIGN_OR_RETURN(replies_, reader_->NextReplies());
    reply_ = 0;
    return absl::OkStatus();
  }
  // nullptr at the end.
  const Reply* reply() const {
    return replies_.empty() ? nullptr : &replies_[reply_];
  }

  // The links without a gap, likewise.
  absl::Status NextLink() {
    if (++link_ < links_.size()) return absl::OkStatus();
    FATHOM_ASSIGN_OR_RETURN(links_, reader_->NextLinks());
    link_ = 0;
    return absl::OkStatus();
  }
  const Link* link() const {
    const bool end = links_.empty() || links_[link_].gap != 0;
    return end ? nullptr : &links_[link_];
  }

  uint8_t number() const { return number_; }

  // Reads paths of the replies; those of one scan make paths of their own.
  void AddToPaths(std::vector<Link>& links) {
    const auto scans = reader_->reply_scans();
    const size_t scan = scans.empty() ? 0 : scans[reply_];
    while (paths_.size() <= scan) {
      paths_.push_back(std::make_unique<PathBuilder>(stats_));
    }
    paths_[scan]->Add(replies_.subspan(reply_, 1),
                      [&](const Path& path) { builder_.Build(path, links); });
  }
  void FinishPaths(std::vector<Link>& links) {
    for (const auto& paths : paths_) {
      paths->Finish([&](const Path& path) { builder_.Build(path, links); });
    }
  }

 private:
  Side(std::unique_ptr<DatasetReader> reader, uint8_t number)
      : reader_(std::move(reader)),
        number_(number),
        builder_(LinkOptions().max_interval, stats_,
                 IsVerified(reader_->manifest())) {}

  const std::unique_ptr<DatasetReader> reader_;
  const uint8_t number_;
  std::span<const Reply> replies_;
  size_t reply_ = 0;
  std::span<const Link> links_;
  size_t link_ = 0;
  LinkStats stats_;
  LinkBuilder builder_;
  std::vector<std::unique_ptr<PathBuilder>> paths_;  // By scan.
};

class Diff {
 public:
  Diff(const DiffOptions& options, ChangeSink& sink)
      : options_(options),
        sink_(sink),
        interfaces_(Room()),
        found_links_(Room()) {}

  absl::StatusOr<DiffSummary> Run() {
    FATHOM_ASSIGN_OR_RETURN(a_, Side::Open(options_.a, kSideA));
    FATHOM_ASSIGN_OR_RETURN(b_, Side::Open(options_.b, kSideB));
    FATHOM_RETURN_IF_ERROR(WalkHops());
    FATHOM_RETURN_IF_ERROR(PairLinks());
    FATHOM_RETURN_IF_ERROR(PairInterfaces());
    return summary_;
  }

 private:
  MergeOptions Room() const {
    return {.max_links = options_.max_rows,
            .temp_directory = options_.temp_directory};
  }

  absl::Status Progress() {
    if (++steps_ % (kProgressBatches * 256) != 0 || !options_.on_progress) {
      return absl::OkStatus();
    }
    return options_.on_progress();
  }

  absl::Status CheckFamilies() const;
  // Target by target.
  absl::Status WalkHops();
  void CountTarget(bool in_a, bool in_b);
  absl::Status TakeTarget(Side& side, const IpAddress& target, bool counts);
  absl::Status AddLinks(const Side& side);

  absl::Status PairLinks();
  absl::Status PairInterfaces();
  absl::Status TakeLink(const ChangedRow& row);

  const DiffOptions& options_;
  ChangeSink& sink_;
  std::unique_ptr<Side> a_;
  std::unique_ptr<Side> b_;
  LinkMerger interfaces_;
  LinkMerger found_links_;  // With common_targets.
  std::vector<Link> links_;
  DiffSummary summary_;
  uint64_t steps_ = 0;
};

absl::Status Diff::CheckFamilies() const {
  const auto family = [](const Side& side) -> std::optional<Family> {
    if (side.link() != nullptr) return side.link()->near.family();
    if (side.reply() != nullptr) return side.reply()->responder.family();
    return std::nullopt;
  };
  const auto a = family(*a_), b = family(*b_);
  if (!a || !b || *a == *b) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options_.a, " and ", options_.b,
                   ": one is of IPv4 and one of IPv6 addresses"));
}

absl::Status Diff::WalkHops() {
  for (Side* const side : {a_.get(), b_.get()}) {
    FATHOM_RETURN_IF_ERROR(side->NextReply());
    FATHOM_RETURN_IF_ERROR(side->NextLink());
  }
  FATHOM_RETURN_IF_ERROR(CheckFamilies());
  while (a_->reply() != nullptr || b_->reply() != nullptr) {
    const Reply* const a = a_->reply();
    const Reply* const b = b_->reply();
    const bool in_a =
        a != nullptr && (b == nullptr || a->probe.target <= b->probe.target);
    const bool in_b =
        b != nullptr && (a == nullptr || b->probe.target <= a->probe.target);
    CountTarget(in_a, in_b);
    const IpAddress target = (in_a ? a : b)->probe.target;
    const bool counts = !options_.common_targets || (in_a && in_b);
    if (in_a) FATHOM_RETURN_IF_ERROR(TakeTarget(*a_, target, counts));
    if (in_b) FATHOM_RETURN_IF_ERROR(TakeTarget(*b_, target, counts));
  }
  if (!options_.common_targets) return absl::OkStatus();
  for (Side* const side : {a_.get(), b_.get()}) {
    side->FinishPaths(links_);
    FATHOM_RETURN_IF_ERROR(AddLinks(*side));
  }
  return absl::OkStatus();
}

void Diff::CountTarget(bool in_a, bool in_b) {
  ++(in_a && in_b ? summary_.targets_common
     : in_a       ? summary_.targets_a
                  : summary_.targets_b);
}

absl::Status Diff::TakeTarget(Side& side, const IpAddress& target,
                              bool counts) {
  while (side.reply() != nullptr && side.reply()->probe.target == target) {
    const Reply& reply = *side.reply();
    if (counts) {
      const Link row{.near = reply.responder,
                     .far = reply.responder,
                     .target = reply.probe.target,
                     .first_seen = reply.received,
                     .last_seen = reply.received,
                     .min_ttl = reply.probe.ttl,
                     .gap = side.number()};
      FATHOM_RETURN_IF_ERROR(interfaces_.Add(std::span(&row, 1)));
      if (options_.common_targets) side.AddToPaths(links_);
    }
    FATHOM_RETURN_IF_ERROR(side.NextReply());
    FATHOM_RETURN_IF_ERROR(Progress());
  }
  return AddLinks(side);
}

absl::Status Diff::AddLinks(const Side& side) {
  std::erase_if(links_, [](const Link& link) { return link.gap != 0; });
  for (Link& link : links_) link.gap = side.number();
  FATHOM_RETURN_IF_ERROR(found_links_.Add(links_));
  links_.clear();
  return absl::OkStatus();
}

absl::Status Diff::PairLinks() {
  Pairs pairs([this](const ChangedRow& row) { return TakeLink(row); });
  const auto take_all = [&pairs](std::span<const Link> rows) {
    for (const Link& row : rows) FATHOM_RETURN_IF_ERROR(pairs.Take(row));
    return absl::OkStatus();
  };
  if (options_.common_targets) {
    FATHOM_RETURN_IF_ERROR(found_links_.Drain(take_all));
    return pairs.Finish();
  }
  while (a_->link() != nullptr || b_->link() != nullptr) {
    const Link* const a = a_->link();
    const Link* const b = b_->link();
    const auto order = [](const Link* link) {
      return std::make_pair(link->near, link->far);
    };
    const bool from_a = a != nullptr && (b == nullptr || order(a) <= order(b));
    Side& side = from_a ? *a_ : *b_;
    Link row = *side.link();
    row.gap = side.number();
    FATHOM_RETURN_IF_ERROR(pairs.Take(row));
    FATHOM_RETURN_IF_ERROR(side.NextLink());
    FATHOM_RETURN_IF_ERROR(Progress());
  }
  return pairs.Finish();
}

absl::Status Diff::TakeLink(const ChangedRow& row) {
  const bool trusted =
      Trusted(row.any()) && (row.change != Change::kStayed || Trusted(row.b));
  ChangeCounts& counts = trusted ? summary_.trusted : summary_.doubtful;
  ++counts[static_cast<size_t>(row.change)];
  return sink_.TakeLink(row);
}

absl::Status Diff::PairInterfaces() {
  Pairs pairs([this](const ChangedRow& row) {
    ++summary_.interfaces[static_cast<size_t>(row.change)];
    return sink_.TakeInterface(row);
  });
  FATHOM_RETURN_IF_ERROR(
      interfaces_.Drain([&pairs](std::span<const Link> rows) {
        for (const Link& row : rows) FATHOM_RETURN_IF_ERROR(pairs.Take(row));
        return absl::OkStatus();
      }));
  return pairs.Finish();
}

}  // namespace

absl::StatusOr<DiffSummary> DiffDatasets(const DiffOptions& options,
                                         ChangeSink& sink) {
  return Diff(options, sink).Run();
}

}  // namespace fathom
