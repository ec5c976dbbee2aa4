#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/native_block.h"
#include "src/dataset/output_file.h"
#include "src/dataset/tables.h"

// ClickHouse's format Native: one table as blocks, in a file that appears when
// it is whole, or on standard output, on the way to `clickhouse-client --query
// "INSERT INTO links FORMAT Native"`.

namespace fathom {
namespace {

// ClickHouse's own blocks have as many rows.
constexpr size_t kBlockRows = 65'536;
// A block ends at so many bytes of strings, too.
constexpr size_t kBlockStrings = 8 << 20;
// So many rows at a time go into a block, at most 1.5 KB of strings each.
constexpr size_t kStep = 256;

class NativeWriter final : public DatasetWriter {
 public:
  // Writes to `file`, to be renamed from `temporary` to the path; if
  // `temporary` is empty there is nothing to rename.
  NativeWriter(OutputFile file, std::string temporary,
               const FormatOptions& options)
      : file_(std::move(file)),
        temporary_(std::move(temporary)),
        path_(options.path),
        table_(options.table) {}

  ~NativeWriter() override {
    if (!finished_ && !temporary_.empty()) unlink(temporary_.c_str());
  }

  NativeWriter(const NativeWriter&) = delete;
  NativeWriter& operator=(const NativeWriter&) = delete;

  absl::Status WriteReplies(std::span<const Reply> replies) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(CheckFits(replies, TakeFamily(replies[0])));
    return table_ == Table::kHops ? Write(replies) : absl::OkStatus();
  }

  absl::Status WriteLinks(std::span<const Link> links) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(CheckFits(links, TakeFamily(links[0])));
    while (!links.empty()) {
      const bool gap = links[0].gap != 0;
      size_t count = 1;
      while (count < links.size() && (links[count].gap != 0) == gap) ++count;
      if (table_ == (gap ? Table::kGaps : Table::kLinks)) {
        FATHOM_RETURN_IF_ERROR(Write(links.first(count)));
      }
      links = links.subspan(count);
    }
    return absl::OkStatus();
  }

  absl::Status Finish(const std::string& /*manifest*/) override {
    FATHOM_RETURN_IF_ERROR(state_);
    state_ = FinishFile();
    FATHOM_RETURN_IF_ERROR(state_);
    state_ = absl::FailedPreconditionError(
        absl::StrCat("write ", path_, ": it is finished"));
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  // The first record says of which family the dataset is.
  template <typename Record>
  Family TakeFamily(const Record& first) {
    if (!family_) family_ = FamilyOf(first);
    return *family_;
  }

  template <typename Record>
  absl::Status Write(std::span<const Record> records) {
    if (!block_) block_.emplace(table_, *family_);
    while (!records.empty()) {
      const size_t count =
          std::min({records.size(), kStep, kBlockRows - block_->rows()});
      block_->Add(records.first(count));
      records = records.subspan(count);
      if (block_->rows() == kBlockRows ||
          block_->string_bytes() >= kBlockStrings) {
        FATHOM_RETURN_IF_ERROR(Flush());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Flush() {
    written_ = true;
    return state_ = file_.Write(block_->Take());
  }

  absl::Status FinishFile() {
    if (!block_) block_.emplace(table_, family_.value_or(Family::kIpv4));
    // A table without rows is a block without rows, so that its columns show.
    if (block_->rows() != 0 || !written_) FATHOM_RETURN_IF_ERROR(Flush());
    FATHOM_RETURN_IF_ERROR(file_.Close());
    return temporary_.empty() ? absl::OkStatus() : Publish(temporary_, path_);
  }

  OutputFile file_;
  const std::string temporary_;
  const std::string path_;
  const Table table_;
  std::optional<Family> family_;
  std::optional<NativeBlock> block_;
  bool written_ = false;
  bool finished_ = false;
  // Not OK from the first failed write on.
  absl::Status state_;
};

absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateOnStdout(
    const FormatOptions& options) {
  if (isatty(STDOUT_FILENO) != 0) {
    return absl::FailedPreconditionError(
        "write native: these are bytes, and standard output is a terminal; "
        "name a file by -o, or pipe them into clickhouse-client");
  }
  FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Stdout());
  return std::make_unique<NativeWriter>(std::move(file), "", options);
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  if (options.path == "-") return CreateOnStdout(options);
  FATHOM_RETURN_IF_ERROR(CheckIsNew(options.path));
  absl::Status status;
  for (int attempt = 0; attempt < kTemporaryNames; ++attempt) {
    std::string temporary = TemporaryName(options.path, attempt);
    auto file = OutputFile::Create(temporary);
    if (file.ok()) {
      return std::make_unique<NativeWriter>(*std::move(file),
                                            std::move(temporary), options);
    }
    status = file.status();
    if (!absl::IsAlreadyExists(status)) break;
  }
  return status;
}

const Register<FormatModule> kNative({"native",
                                      "one table as ClickHouse's format Native",
                                      &Create});

}  // namespace
}  // namespace fathom
