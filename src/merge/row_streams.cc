#include "src/merge/row_streams.h"

#include <tuple>

#include "absl/strings/str_cat.h"
#include "src/links/sorted_replies.h"

namespace fathom {
namespace {

absl::Status NoSuchScan(const StreamInput& input, uint16_t scan) {
  return absl::DataLossError(
      absl::StrCat("read ", input.path, ": a row of scan ", scan,
                   ", but its manifest tells of ", input.numbers.size()));
}

auto Identity(const Link& link) {
  return std::make_tuple(link.gap != 0, link.near, link.far, link.gap,
                         link.scan);
}

}  // namespace

absl::StatusOr<HopCursor> HopCursor::Open(StreamInput input) {
  FATHOM_ASSIGN_OR_RETURN(auto reader, OpenDataset(input.path));
  HopCursor cursor(std::move(reader), std::move(input));
  FATHOM_RETURN_IF_ERROR(cursor.Settle());
  return cursor;
}

absl::Status HopCursor::Advance() {
  ++at_;
  return Settle();
}

absl::Status HopCursor::Settle() {
  for (;; ++at_) {
    if (at_ == replies_.size()) {
      FATHOM_ASSIGN_OR_RETURN(replies_, reader_->NextReplies());
      at_ = 0;
      if (replies_.empty()) return absl::OkStatus();
    }
    const uint16_t local = LocalScan(at_);
    if (local >= input_.numbers.size()) return NoSuchScan(input_, local);
    scan_ = input_.numbers[local];
    if (scan_ != StreamInput::kLeftOut) return absl::OkStatus();
  }
}

bool HopCursor::last_of_batch() const {
  for (size_t row = at_ + 1; row < replies_.size(); ++row) {
    const uint16_t local = LocalScan(row);
    // What is no scan ends in an error, before anything is read.
    if (local >= input_.numbers.size()) return false;
    if (input_.numbers[local] != StreamInput::kLeftOut) return false;
  }
  return true;
}

bool HopCursor::Before(const HopCursor& other) const {
  const Probe& a = reply().probe;
  const Probe& b = other.reply().probe;
  if (a.target != b.target) return a.target < b.target;
  if (a.flow != b.flow) return a.flow < b.flow;
  if (a.ttl != b.ttl) return a.ttl < b.ttl;
  if (scan_ != other.scan_) return scan_ < other.scan_;
  return ReplyBefore(reply(), other.reply());
}

absl::StatusOr<LinkCursor> LinkCursor::Open(StreamInput input) {
  FATHOM_ASSIGN_OR_RETURN(auto reader, OpenDataset(input.path));
  LinkCursor cursor(std::move(reader), std::move(input));
  FATHOM_RETURN_IF_ERROR(cursor.Settle());
  return cursor;
}

absl::Status LinkCursor::Advance() {
  ++at_;
  return Settle();
}

absl::Status LinkCursor::Settle() {
  for (;; ++at_) {
    if (at_ == links_.size()) {
      if (reader_->several_scans()) {
        FATHOM_ASSIGN_OR_RETURN(links_, reader_->NextScanLinks());
      } else {
        FATHOM_ASSIGN_OR_RETURN(links_, reader_->NextLinks());
      }
      at_ = 0;
      if (links_.empty()) return absl::OkStatus();
    }
    const uint16_t local = links_[at_].scan;
    if (local >= input_.numbers.size()) return NoSuchScan(input_, local);
    const int number = input_.numbers[local];
    if (number == StreamInput::kLeftOut) continue;
    link_ = links_[at_];
    link_.scan = static_cast<uint16_t>(number);
    return absl::OkStatus();
  }
}

bool LinkCursor::Before(const LinkCursor& other) const {
  return Identity(link_) < Identity(other.link_);
}

void SplitByOrder(const std::string& path, std::span<const uint16_t> numbers,
                  std::vector<StreamInput>& inputs) {
  const std::vector<int> none(numbers.size(), StreamInput::kLeftOut);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i == 0 || numbers[i] < numbers[i - 1]) inputs.push_back({path, none});
    inputs.back().numbers[i] = numbers[i];
  }
}

}  // namespace fathom
