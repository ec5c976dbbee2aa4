#ifndef FATHOM_SRC_MERGE_ROW_STREAMS_H_
#define FATHOM_SRC_MERGE_ROW_STREAMS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/base/status_macros.h"

namespace fathom {

// The rows of several datasets as one stream in order. What is held is what the
// readers hold, a row group each (16 MB of hops, 10 MB of links), whatever the
// number of rows.

// A dataset to be read, and what its scans are called in the stream.
struct StreamInput {
  static constexpr int kLeftOut = -1;

  std::string path;
  std::vector<int> numbers;  // Of each scan; kLeftOut passes its rows over.
};

// Walks over the hops of a dataset, by (target, flow, ttl, scan).
class HopCursor {
 public:
  static absl::StatusOr<HopCursor> Open(StreamInput input);

  bool at_end() const { return replies_.empty(); }
  // Valid until the next Advance(). REQUIRES: !at_end().
  const Reply& reply() const { return replies_[at_]; }
  uint16_t scan() const { return static_cast<uint16_t>(scan_); }
  // Whether Advance() takes back what replies lent so far.
  bool last_of_batch() const;

  absl::Status Advance();

  bool Before(const HopCursor& other) const;

 private:
  HopCursor(std::unique_ptr<DatasetReader> reader, StreamInput input)
      : reader_(std::move(reader)), input_(std::move(input)) {}

  // Moves to the next row that is not left out, from the one at at_ on.
  absl::Status Settle();
  // The scan of a row of the batch, as the dataset calls it.
  uint16_t LocalScan(size_t row) const {
    const auto scans = reader_->reply_scans();
    return scans.empty() ? uint16_t{0} : scans[row];
  }

  std::unique_ptr<DatasetReader> reader_;
  StreamInput input_;
  std::span<const Reply> replies_;
  size_t at_ = 0;
  int scan_ = 0;
};

// Walks over the links of a dataset as its scans saw them: first those without
// a gap, then the others, each by (near, far, gap, scan).
class LinkCursor {
 public:
  static absl::StatusOr<LinkCursor> Open(StreamInput input);

  bool at_end() const { return links_.empty(); }
  // With the number of the stream. REQUIRES: !at_end().
  const Link& link() const { return link_; }

  absl::Status Advance();

  bool Before(const LinkCursor& other) const;

 private:
  LinkCursor(std::unique_ptr<DatasetReader> reader, StreamInput input)
      : reader_(std::move(reader)), input_(std::move(input)) {}

  absl::Status Settle();

  std::unique_ptr<DatasetReader> reader_;
  StreamInput input_;
  std::span<const Link> links_;
  size_t at_ = 0;
  Link link_{};
};

// Several cursors, of which the one with the least row is on top.
template <typename Cursor>
class CursorQueue {
 public:
  absl::Status Open(StreamInput input) {
    FATHOM_ASSIGN_OR_RETURN(Cursor cursor, Cursor::Open(std::move(input)));
    if (cursor.at_end()) return absl::OkStatus();
    heap_.push_back(std::make_unique<Cursor>(std::move(cursor)));
    for (size_t i = heap_.size() - 1; i > 0; i = (i - 1) / 2) {
      if (!heap_[i]->Before(*heap_[(i - 1) / 2])) break;
      std::swap(heap_[i], heap_[(i - 1) / 2]);
    }
    return absl::OkStatus();
  }

  bool empty() const { return heap_.empty(); }
  Cursor& top() { return *heap_[0]; }

  // Moves past the least row.
  absl::Status Advance() {
    FATHOM_RETURN_IF_ERROR(top().Advance());
    if (top().at_end()) {
      std::swap(heap_[0], heap_.back());
      heap_.pop_back();
    }
    Sink();
    return absl::OkStatus();
  }

 private:
  void Sink() {
    for (size_t i = 0;;) {
      size_t least = 2 * i + 1;
      if (least >= heap_.size()) return;
      if (least + 1 < heap_.size() && heap_[least + 1]->Before(*heap_[least])) {
        ++least;
      }
      if (!heap_[least]->Before(*heap_[i])) return;
      std::swap(heap_[i], heap_[least]);
      i = least;
    }
  }

  std::vector<std::unique_ptr<Cursor>> heap_;
};

// Rows come in order only while the numbers of a dataset's scans ascend as they
// did in it. Where they do not, it is read several times, for some of its scans
// each: appends such inputs.
void SplitByOrder(const std::string& path, std::span<const uint16_t> numbers,
                  std::vector<StreamInput>& inputs);

}  // namespace fathom

#endif  // FATHOM_SRC_MERGE_ROW_STREAMS_H_
