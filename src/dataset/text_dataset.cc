#include "src/dataset/text_dataset.h"

#include <cassert>
#include <string>
#include <utility>
#include <vector>

#include "src/base/status_macros.h"
#include "src/dataset/published_file.h"
#include "src/net/icmp_extensions.h"

namespace fathom {
namespace {

class TextDatasetWriter final : public DatasetWriter {
 public:
  TextDatasetWriter(PublishedFile file, const FormatOptions& options,
                    const TextStyle& style)
      : file_(std::move(file)),
        table_(options.table),
        style_(style),
        columns_(
            SchemaOf(table_, Family::kIpv4, options.several_scans).columns),
        spellings_(SpellingsOf(table_, options.several_scans)),
        strings_(columns_.size()) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      upper_.push_back(table_ == Table::kHops ? UpperCell(HopRow(), i)
                                              : UpperCell(LinkRow(), i));
    }
    style_.header(columns_, text_);
  }

  absl::Status WriteReplies(std::span<const Reply> replies) override {
    return WriteScanReplies(replies, {});
  }

  absl::Status WriteScanReplies(std::span<const Reply> replies,
                                std::span<const uint16_t> scans) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(CheckFits(replies, FamilyOf(replies[0])));
    if (table_ != Table::kHops) return absl::OkStatus();
    for (size_t i = 0; i < replies.size(); ++i) {
      TakeStrings(replies[i]);
      HopRow row = ToRow(replies[i]);
      if (!scans.empty()) row[kHopScanColumn] = scans[i];
      FATHOM_RETURN_IF_ERROR(WriteRow(row, last_reply_));
    }
    return absl::OkStatus();
  }

  absl::Status WriteLinks(std::span<const Link> links) override {
    return WriteTo(Table::kLinks, Table::kGaps, links);
  }

  absl::Status WriteScanLinks(std::span<const Link> links) override {
    return WriteTo(Table::kLinkScans, Table::kGapScans, links);
  }

  absl::Status Finish(const std::string& /*manifest*/) override {
    FATHOM_RETURN_IF_ERROR(state_);
    FATHOM_RETURN_IF_ERROR(Flush());
    absl::Status published = file_.Publish();
    state_ = file_.status();
    return published;
  }

 private:
  absl::Status WriteTo(Table without_gap, Table with_gap,
                       std::span<const Link> links) {
    FATHOM_RETURN_IF_ERROR(state_);
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(CheckFits(links, FamilyOf(links[0])));
    for (const Link& link : links) {
      if ((link.gap == 0 ? without_gap : with_gap) != table_) continue;
      FATHOM_RETURN_IF_ERROR(WriteRow(ToRow(link), last_link_));
    }
    return absl::OkStatus();
  }

  void TakeStrings(const Reply& reply) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (spellings_[i] == Spelling::kExtensions) {
        strings_[i] = SpellExtensions(reply.extensions.bytes);
      } else if (spellings_[i] == Spelling::kText) {
        strings_[i] = StringOf(reply, i);
      }
    }
  }

  template <typename Row>
  absl::Status WriteRow(const Row& row, Row& last) {
    assert(OrderOf(last) <= OrderOf(row));
    last = row;
    style_.row({columns_, spellings_, row, upper_, strings_}, text_);
    return text_.full() ? Flush() : absl::OkStatus();
  }

  absl::Status Flush() {
    file_.Put(text_.text());
    text_.Clear();
    return state_ = file_.status();
  }

  PublishedFile file_;
  const Table table_;
  const TextStyle style_;
  const std::span<const parquet::Column> columns_;
  const std::span<const Spelling> spellings_;
  std::vector<size_t> upper_;
  std::vector<std::string> strings_;
  TextBuffer text_;
  HopRow last_reply_{};
  LinkRow last_link_{};
  // Not OK from the first failed write on.
  absl::Status state_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateTextDataset(
    const FormatOptions& options, const TextStyle& style) {
  FATHOM_ASSIGN_OR_RETURN(PublishedFile file,
                          PublishedFile::Create(options.path));
  return std::make_unique<TextDatasetWriter>(std::move(file), options, style);
}

}  // namespace fathom
