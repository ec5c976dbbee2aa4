#include "src/merge/merge_datasets.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/output_file.h"
#include "src/links/link_builder.h"
#include "src/links/link_runs.h"
#include "src/merge/row_streams.h"
#include "src/merge/scan_census.h"
#include "src/merge/scan_list.h"

namespace fathom {
namespace {

constexpr size_t kBatch = 1024;
// Rows between two calls of on_progress.
constexpr uint64_t kProgressRows = 1 << 16;

// What a merge has done, over all its steps.
class Progress {
 public:
  explicit Progress(const MergeDatasetsOptions& options) : options_(options) {}

  absl::Status Add(uint64_t rows) {
    rows_ += rows;
    if (rows_ < next_ || !options_.on_progress) return absl::OkStatus();
    next_ = rows_ + kProgressRows;
    return options_.on_progress(rows_);
  }

 private:
  const MergeDatasetsOptions& options_;
  uint64_t rows_ = 0;
  uint64_t next_ = 0;
};

// One merge of few enough inputs.
class Merger {
 public:
  Merger(const ScanList& list, DatasetWriter& writer, Progress& progress)
      : list_(list),
        writer_(writer),
        progress_(progress),
        several_(list.scans().size() > 1),
        rows_(list.scans().size()) {}

  absl::StatusOr<MergeSummary> Run(std::span<const std::string> paths) {
    for (size_t i = 0; i < paths.size(); ++i) {
      SplitByOrder(paths[i], list_.numbers(i), inputs_);
    }
    FATHOM_RETURN_IF_ERROR(MergeLinks());
    FATHOM_RETURN_IF_ERROR(MergeHops());
    const std::string manifest = list_.MakeManifest(
        rows_, {.links = summary_.links, .gaps = summary_.gaps});
    FATHOM_RETURN_IF_ERROR(writer_.Finish(manifest));
    summary_.scans = list_.scans().size();
    summary_.manifest = manifest;
    return summary_;
  }

 private:
  // The links that one scan saw, of which shards may each have a part.
  absl::Status AddScanLink(const Link& link);
  absl::Status FlushLinks();
  absl::Status MergeLinks();

  // Hands all hops to `take`, scan by scan number, in batches.
  template <typename Take>
  absl::Status ForHops(CursorQueue<HopCursor>& queue, Take take);
  absl::Status MergeHops();
  absl::Status WriteHops(std::optional<size_t> census_of);
  absl::Status CountHoles(size_t scan);

  const ScanList& list_;
  DatasetWriter& writer_;
  Progress& progress_;
  const bool several_;
  std::vector<StreamInput> inputs_;
  std::vector<ScanRows> rows_;
  MergeSummary summary_;
  std::vector<Link> scan_links_;  // Those of the link in hand are the last.
  std::vector<Link> links_;
  std::vector<Reply> replies_;
  std::vector<uint16_t> scans_;
};

absl::Status Merger::AddScanLink(const Link& link) {
  if (!scan_links_.empty() && SameLink(scan_links_.back(), link)) {
    if (scan_links_.back().scan == link.scan) {
      MergeInto(scan_links_.back(), link);
      return absl::OkStatus();
    }
  } else if (scan_links_.size() >= kBatch) {
    FATHOM_RETURN_IF_ERROR(FlushLinks());
  }
  scan_links_.push_back(link);
  return absl::OkStatus();
}

absl::Status Merger::FlushLinks() {
  links_.clear();
  for (const Link& link : scan_links_) {
    ++(link.gap == 0 ? rows_[link.scan].links : rows_[link.scan].gaps);
    if (!links_.empty() && SameLink(links_.back(), link)) {
      MergeInto(links_.back(), link);
      continue;
    }
    links_.push_back(link);
    links_.back().scan = 0;
    ++(link.gap == 0 ? summary_.links : summary_.gaps);
  }
  FATHOM_RETURN_IF_ERROR(writer_.WriteLinks(links_));
  if (several_) FATHOM_RETURN_IF_ERROR(writer_.WriteScanLinks(scan_links_));
  FATHOM_RETURN_IF_ERROR(progress_.Add(links_.size()));
  scan_links_.clear();
  return absl::OkStatus();
}

absl::Status Merger::MergeLinks() {
  CursorQueue<LinkCursor> queue;
  for (const StreamInput& input : inputs_) {
    FATHOM_RETURN_IF_ERROR(queue.Open(input));
  }
  while (!queue.empty()) {
    FATHOM_RETURN_IF_ERROR(AddScanLink(queue.top().link()));
    FATHOM_RETURN_IF_ERROR(queue.Advance());
  }
  return FlushLinks();
}

template <typename Take>
absl::Status Merger::ForHops(CursorQueue<HopCursor>& queue, Take take) {
  bool lent = false;  // Whether a reply of the batch has what a reader lent.
  const auto flush = [&] {
    absl::Status status = take();
    replies_.clear();
    scans_.clear();
    lent = false;
    return status;
  };
  while (!queue.empty()) {
    const HopCursor& cursor = queue.top();
    replies_.push_back(cursor.reply());
    scans_.push_back(cursor.scan());
    lent |= !cursor.reply().extensions.bytes.empty();
    if (replies_.size() == kBatch || (lent && cursor.last_of_batch())) {
      FATHOM_RETURN_IF_ERROR(flush());
    }
    FATHOM_RETURN_IF_ERROR(queue.Advance());
  }
  return flush();
}

// A census is large, so there is one at a time: the first while the hops are
// written, further ones by reading their scans once more.
absl::Status Merger::MergeHops() {
  std::vector<size_t> joined;
  for (size_t i = 0; i < list_.scans().size(); ++i) {
    if (list_.scans()[i].joined) joined.push_back(i);
  }
  FATHOM_RETURN_IF_ERROR(
      WriteHops(joined.empty() ? std::nullopt : std::optional(joined[0])));
  for (size_t i = 1; i < joined.size(); ++i) {
    FATHOM_RETURN_IF_ERROR(CountHoles(joined[i]));
  }
  return absl::OkStatus();
}

absl::Status Merger::WriteHops(std::optional<size_t> census_of) {
  std::optional<ScanCensus> census;
  if (census_of) census.emplace(list_.scans()[*census_of].replies);
  CursorQueue<HopCursor> queue;
  for (const StreamInput& input : inputs_) {
    FATHOM_RETURN_IF_ERROR(queue.Open(input));
  }
  FATHOM_RETURN_IF_ERROR(ForHops(queue, [&]() -> absl::Status {
    for (size_t i = 0; census && i < replies_.size(); ++i) {
      if (scans_[i] == *census_of) census->Add(std::span(&replies_[i], 1));
    }
    summary_.hops += replies_.size();
    FATHOM_RETURN_IF_ERROR(several_ ? writer_.WriteScanReplies(replies_, scans_)
                                    : writer_.WriteReplies(replies_));
    return progress_.Add(replies_.size());
  }));
  if (census) rows_[*census_of].holes = census->Finish();
  return absl::OkStatus();
}

absl::Status Merger::CountHoles(size_t scan) {
  CursorQueue<HopCursor> queue;
  for (StreamInput input : inputs_) {
    bool has_it = false;
    for (int& number : input.numbers) {
      if (number == static_cast<int>(scan)) {
        has_it = true;
      } else {
        number = StreamInput::kLeftOut;
      }
    }
    if (has_it) FATHOM_RETURN_IF_ERROR(queue.Open(std::move(input)));
  }
  ScanCensus census(list_.scans()[scan].replies);
  FATHOM_RETURN_IF_ERROR(ForHops(queue, [&] {
    census.Add(replies_);
    return progress_.Add(0);
  }));
  rows_[scan].holes = census.Finish();
  return absl::OkStatus();
}

// What is to be known of an input before its rows are read.
struct Opened {
  ScanList::Input input;
  std::optional<Family> family{};  // None of one without rows.
};

absl::StatusOr<Opened> Look(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(path));
  Opened opened{.input = {.path = path,
                          .manifest = reader->manifest(),
                          .several_scans = reader->several_scans()}};
  FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
  if (!links.empty()) {
    opened.family = links[0].near.family();
    return opened;
  }
  FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
  if (!replies.empty()) opened.family = replies[0].responder.family();
  return opened;
}

const char* NameOf(Family family) {
  return family == Family::kIpv4 ? "IPv4" : "IPv6";
}

absl::StatusOr<std::vector<ScanList::Input>> LookAtAll(
    std::span<const std::string> paths) {
  std::vector<ScanList::Input> inputs;
  std::optional<Opened> first;  // Of those that have a family.
  for (const std::string& path : paths) {
    FATHOM_ASSIGN_OR_RETURN(Opened opened, Look(path));
    inputs.push_back(opened.input);
    if (!opened.family) continue;
    if (!first) first = opened;
    if (*first->family == *opened.family) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(first->input.path, " holds ", NameOf(*first->family),
                     " addresses and ", path, " ", NameOf(*opened.family),
                     ": a dataset holds one family; merge each on its own"));
  }
  return inputs;
}

// A directory that goes, with all that is in it, when it is not needed.
class StepDirectory {
 public:
  explicit StepDirectory(std::string path) : path_(std::move(path)) {}
  ~StepDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  StepDirectory(const StepDirectory&) = delete;
  StepDirectory& operator=(const StepDirectory&) = delete;

  absl::Status Make() const {
    std::error_code error;
    std::filesystem::create_directory(path_, error);
    return error ? FileError("create", path_, error.value()) : absl::OkStatus();
  }

  std::string Step(size_t number) const {
    return absl::StrCat(path_, "/step-", number);
  }

 private:
  const std::string path_;
};

class Work {
 public:
  explicit Work(const MergeDatasetsOptions& options)
      : options_(options),
        most_open_(std::max<size_t>(2, options.most_open)),
        progress_(options) {}

  absl::StatusOr<MergeSummary> Run() {
    return MergeAll(options_.inputs, options_.output,
                    options_.partial ? ShardRule::kPartial : ShardRule::kWhole);
  }

 private:
  // Merges any number of inputs. As merging associates, those that are too many
  // are first made fewer.
  absl::StatusOr<MergeSummary> MergeAll(std::span<const std::string> paths,
                                        const std::string& output,
                                        ShardRule rule) {
    FATHOM_ASSIGN_OR_RETURN(const auto inputs, LookAtAll(paths));
    FATHOM_ASSIGN_OR_RETURN(const ScanList list, ScanList::Make(inputs, rule));
    if (paths.size() <= most_open_) return MergeFew(paths, list, output);
    const StepDirectory directory(
        absl::StrCat(options_.output, ".merging-", getpid(), "-", ++levels_));
    FATHOM_RETURN_IF_ERROR(directory.Make());
    std::vector<std::string> steps;
    while (!paths.empty()) {
      const auto some = paths.first(std::min(most_open_, paths.size()));
      paths = paths.subspan(some.size());
      steps.push_back(directory.Step(steps.size()));
      FATHOM_RETURN_IF_ERROR(
          MergeAll(some, steps.back(), ShardRule::kAnything).status());
    }
    return MergeAll(steps, output, ShardRule::kAnything);
  }

  absl::StatusOr<MergeSummary> MergeFew(std::span<const std::string> paths,
                                        const ScanList& list,
                                        const std::string& output) {
    FATHOM_ASSIGN_OR_RETURN(const FormatModule format,
                            Register<FormatModule>::Find("parquet"));
    FATHOM_ASSIGN_OR_RETURN(
        const auto writer,
        format.create(
            {.path = output, .several_scans = list.scans().size() > 1}));
    return Merger(list, *writer, progress_).Run(paths);
  }

  const MergeDatasetsOptions& options_;
  const size_t most_open_;
  Progress progress_;
  int levels_ = 0;
};

}  // namespace

absl::StatusOr<MergeSummary> MergeDatasets(
    const MergeDatasetsOptions& options) {
  std::string output = options.output;
  while (output.size() > 1 && output.ends_with('/')) output.pop_back();
  FATHOM_RETURN_IF_ERROR(CheckIsNew(output));
  MergeDatasetsOptions cleaned = options;
  cleaned.output = std::move(output);
  return Work(cleaned).Run();
}

}  // namespace fathom
