#include "src/merge/change_writers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/output_file.h"
#include "src/dataset/row_table.h"

namespace fathom {
namespace {

using parquet::Column;
using parquet::ColumnType;
using parquet::Layout;

constexpr auto LinkColumns(ColumnType address) {
  return std::to_array<Column>({
      {"near", address, Layout::kDelta},
      {"far", address, Layout::kDelta},
      {"change", ColumnType::kString, Layout::kDictionary},
      {"paths_a", ColumnType::kUint64, Layout::kDictionary},
      {"paths_b", ColumnType::kUint64, Layout::kDictionary},
      {"first_seen_a", ColumnType::kUint32, Layout::kDictionary},
      {"last_seen_a", ColumnType::kUint32, Layout::kDictionary},
      {"first_seen_b", ColumnType::kUint32, Layout::kDictionary},
      {"last_seen_b", ColumnType::kUint32, Layout::kDictionary},
      {"flags_a", ColumnType::kUint8, Layout::kDictionary},
      {"flags_b", ColumnType::kUint8, Layout::kDictionary},
  });
}
constexpr auto kLinks4 = LinkColumns(ColumnType::kUint32);
constexpr auto kLinks6 = LinkColumns(ColumnType::kAddress);

constexpr auto InterfaceColumns(ColumnType address) {
  return std::to_array<Column>({
      {"address", address, Layout::kDelta},
      {"change", ColumnType::kString, Layout::kDictionary},
      {"replies_a", ColumnType::kUint64, Layout::kDictionary},
      {"replies_b", ColumnType::kUint64, Layout::kDictionary},
      {"first_seen_a", ColumnType::kUint32, Layout::kDictionary},
      {"last_seen_a", ColumnType::kUint32, Layout::kDictionary},
      {"first_seen_b", ColumnType::kUint32, Layout::kDictionary},
      {"last_seen_b", ColumnType::kUint32, Layout::kDictionary},
  });
}
constexpr auto kInterfaces4 = InterfaceColumns(ColumnType::kUint32);
constexpr auto kInterfaces6 = InterfaceColumns(ColumnType::kAddress);

uint32_t ToSeconds(Instant instant) {
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch());
  return static_cast<uint32_t>(std::clamp<int64_t>(
      seconds.count(), 0, std::numeric_limits<uint32_t>::max()));
}

const char* NameOf(Change change) {
  return kChangeOfNames[static_cast<size_t>(change)];
}

// The numbers of a row, in the order of the columns after "change". What a side
// did not see is 0.
struct Numbers {
  explicit Numbers(const ChangedRow& row) {
    const bool in_a = row.change != Change::kCame;
    const bool in_b = row.change != Change::kWent;
    counts = {in_a ? row.a.paths : 0, in_b ? row.b.paths : 0};
    if (in_a) {
      times[0] = ToSeconds(row.a.first_seen);
      times[1] = ToSeconds(row.a.last_seen);
      flags[0] = row.a.flags;
    }
    if (in_b) {
      times[2] = ToSeconds(row.b.first_seen);
      times[3] = ToSeconds(row.b.last_seen);
      flags[1] = row.b.flags;
    }
  }

  std::array<uint64_t, 2> counts{};
  std::array<uint32_t, 4> times{};
  std::array<uint32_t, 2> flags{};
};

class ChangeTables final : public ChangeWriter {
 public:
  ChangeTables(std::string path, std::string temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  ~ChangeTables() override {
    std::error_code ignored;
    if (!finished_) std::filesystem::remove_all(temporary_, ignored);
  }
  ChangeTables(const ChangeTables&) = delete;
  ChangeTables& operator=(const ChangeTables&) = delete;

  absl::Status TakeLink(const ChangedRow& row) override {
    FATHOM_RETURN_IF_ERROR(OpenFor(row.any().near.family()));
    const Numbers numbers(row);
    RowFiller filler(links_->columns());
    filler.Add(row.any().near).Add(row.any().far);
    filler.Add(std::string(NameOf(row.change)));
    for (const uint64_t count : numbers.counts) filler.Add(count);
    for (const uint32_t time : numbers.times) filler.Add(time);
    for (const uint32_t flags : numbers.flags) filler.Add(flags);
    return links_->EndRow();
  }

  absl::Status TakeInterface(const ChangedRow& row) override {
    FATHOM_RETURN_IF_ERROR(OpenFor(row.any().near.family()));
    const Numbers numbers(row);
    RowFiller filler(interfaces_->columns());
    filler.Add(row.any().near).Add(std::string(NameOf(row.change)));
    for (const uint64_t count : numbers.counts) filler.Add(count);
    for (const uint32_t time : numbers.times) filler.Add(time);
    return interfaces_->EndRow();
  }

  absl::Status Finish(const std::string& about) override {
    // Of no rows at all, as a dataset.
    FATHOM_RETURN_IF_ERROR(OpenFor(Family::kIpv4));
    for (RowTable* const table : {&*links_, &*interfaces_}) {
      FATHOM_RETURN_IF_ERROR(table->Finish({{"fathom.diff", about}}));
      FATHOM_RETURN_IF_ERROR(table->Publish());
    }
    FATHOM_RETURN_IF_ERROR(fathom::Publish(temporary_, path_));
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  absl::Status OpenFor(Family family) {
    if (links_) return absl::OkStatus();
    const bool wide = family == Family::kIpv6;
    FATHOM_ASSIGN_OR_RETURN(
        RowTable links, RowTable::Create(temporary_ + "/link_changes.parquet",
                                         {wide ? kLinks6 : kLinks4, 2}));
    FATHOM_ASSIGN_OR_RETURN(
        RowTable interfaces,
        RowTable::Create(temporary_ + "/interface_changes.parquet",
                         {wide ? kInterfaces6 : kInterfaces4, 1}));
    links_.emplace(std::move(links));
    interfaces_.emplace(std::move(interfaces));
    return absl::OkStatus();
  }

  const std::string path_;
  const std::string temporary_;
  std::optional<RowTable> links_;
  std::optional<RowTable> interfaces_;
  bool finished_ = false;
};

class ChangeTextWriter final : public ChangeWriter {
 public:
  ChangeTextWriter(OutputFile file, std::string path, std::string temporary,
                   ChangeText style, bool interfaces)
      : file_(std::move(file)),
        path_(std::move(path)),
        temporary_(std::move(temporary)),
        style_(style),
        interfaces_(interfaces),
        columns_(interfaces ? std::span<const Column>(kInterfaces4)
                            : std::span<const Column>(kLinks4)) {
    if (style_ != ChangeText::kCsv) return;
    for (const Column& column : columns_) {
      absl::StrAppend(&text_, text_.empty() ? "" : ",", column.name);
    }
    text_ += '\n';
  }

  ~ChangeTextWriter() override {
    std::error_code ignored;
    if (!finished_ && !temporary_.empty()) {
      std::filesystem::remove(temporary_, ignored);
    }
  }
  ChangeTextWriter(const ChangeTextWriter&) = delete;
  ChangeTextWriter& operator=(const ChangeTextWriter&) = delete;

  absl::Status TakeLink(const ChangedRow& row) override {
    return interfaces_ ? absl::OkStatus() : Write(row);
  }
  absl::Status TakeInterface(const ChangedRow& row) override {
    return interfaces_ ? Write(row) : absl::OkStatus();
  }

  absl::Status Finish(const std::string& /*about*/) override {
    FATHOM_RETURN_IF_ERROR(file_.Write(text_));
    FATHOM_RETURN_IF_ERROR(file_.Close());
    if (!temporary_.empty()) {
      FATHOM_RETURN_IF_ERROR(Publish(temporary_, path_));
    }
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  absl::Status Write(const ChangedRow& row) {
    const Numbers numbers(row);
    column_ = 0;
    Put(row.any().near.ToString(), /*quoted=*/true);
    if (!interfaces_) Put(row.any().far.ToString(), true);
    Put(NameOf(row.change), true);
    for (const uint64_t count : numbers.counts) Put(absl::StrCat(count), false);
    for (const uint32_t time : numbers.times) Put(absl::StrCat(time), false);
    for (size_t i = 0; !interfaces_ && i < numbers.flags.size(); ++i) {
      Put(absl::StrCat(numbers.flags[i]), false);
    }
    text_ += style_ == ChangeText::kCsv ? "\n" : "}\n";
    constexpr size_t kFull = 1 << 16;
    if (text_.size() < kFull) return absl::OkStatus();
    const absl::Status status = file_.Write(text_);
    text_.clear();
    return status;
  }

  void Put(const std::string& value, bool quoted) {
    if (style_ == ChangeText::kCsv) {
      absl::StrAppend(&text_, column_ == 0 ? "" : ",", value);
    } else {
      const char* const quote = quoted ? "\"" : "";
      absl::StrAppend(&text_, column_ == 0 ? "{\"" : ",\"",
                      columns_[column_].name, "\":", quote, value, quote);
    }
    ++column_;
  }

  OutputFile file_;
  const std::string path_;
  const std::string temporary_;  // Empty if there is nothing to rename.
  const ChangeText style_;
  const bool interfaces_;
  const std::span<const Column> columns_;
  std::string text_;
  size_t column_ = 0;
  bool finished_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeWriter>> CreateChangeTables(
    const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  FATHOM_RETURN_IF_ERROR(CheckIsNew(name));
  std::string temporary = TemporaryName(name, 0);
  std::error_code error;
  if (!std::filesystem::create_directory(temporary, error)) {
    return FileError("create", temporary, error ? error.value() : EEXIST);
  }
  return std::make_unique<ChangeTables>(std::move(name), std::move(temporary));
}

absl::StatusOr<std::unique_ptr<ChangeWriter>> CreateChangeText(
    const std::string& path, ChangeText style, bool interfaces) {
  if (path == "-") {
    FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Stdout());
    return std::make_unique<ChangeTextWriter>(std::move(file), path, "", style,
                                              interfaces);
  }
  FATHOM_RETURN_IF_ERROR(CheckIsNew(path));
  std::string temporary = TemporaryName(path, 0);
  FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(temporary));
  return std::make_unique<ChangeTextWriter>(
      std::move(file), path, std::move(temporary), style, interfaces);
}

}  // namespace fathom
