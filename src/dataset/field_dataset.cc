#include "src/dataset/field_dataset.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

constexpr size_t kBlock = 1 << 18;

class FieldDatasetWriter final : public DatasetWriter {
 public:
  FieldDatasetWriter(PublishedFile file, std::unique_ptr<FieldFormat> format)
      : file_(std::move(file)), format_(std::move(format)) {
    format_->Begin(file_);
  }

  absl::Status WriteReplies(std::span<const Reply> replies) override {
    return Write(replies, last_reply_);
  }

  absl::Status WriteLinks(std::span<const Link> links) override {
    return Write(links, last_link_);
  }

  absl::Status Finish(const std::string& /*manifest*/) override {
    FATHOM_RETURN_IF_ERROR(state_);
    state_ = format_->End(file_);
    FATHOM_RETURN_IF_ERROR(state_);
    absl::Status published = file_.Publish();
    state_ = file_.status();
    return published;
  }

 private:
  static bool IsGap(const Reply& /*reply*/) { return false; }
  static bool IsGap(const Link& link) { return link.gap != 0; }

  template <typename Record, typename Row>
  absl::Status Write(std::span<const Record> records, Row& last) {
    FATHOM_RETURN_IF_ERROR(state_);
    if (records.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(CheckFits(records, FamilyOf(records[0])));
    for (const Record& record : records) {
      if (IsGap(record)) continue;
      const Row row = ToRow(record);
      assert(OrderOf(last) <= OrderOf(row));
      last = row;
      state_ = format_->Take(record, row, file_);
      FATHOM_RETURN_IF_ERROR(state_);
    }
    return state_ = file_.status();
  }

  PublishedFile file_;
  const std::unique_ptr<FieldFormat> format_;
  HopRow last_reply_{};
  LinkRow last_link_{};
  // Not OK from the first failure on.
  absl::Status state_;
};

// Of "2026-01-01T00:00:00"; 0 if it is not that.
uint32_t SecondsOf(const std::string& text) {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u", &year, &month, &day,
                  &hour, &minute, &second) != 6) {
    return 0;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return 0;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  const int64_t seconds =
      std::chrono::seconds(days).count() + hour * 3600 + minute * 60 + second;
  return seconds > 0 && seconds <= 0xffffffff ? static_cast<uint32_t>(seconds)
                                              : 0;
}

std::string TextAt(const Json& manifest, const char* path) {
  const Json::json_pointer pointer(path);
  if (!manifest.is_object() || !manifest.contains(pointer)) return "";
  const Json& value = manifest.at(pointer);
  return value.is_string() ? value.get<std::string>() : "";
}

}  // namespace

absl::Status FieldFormat::Take(const Reply&, const HopRow&, PublishedFile&) {
  return absl::OkStatus();
}

absl::Status FieldFormat::Take(const Link&, const LinkRow&, PublishedFile&) {
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateFieldDataset(
    const FormatOptions& options, std::unique_ptr<FieldFormat> format) {
  FATHOM_ASSIGN_OR_RETURN(PublishedFile file,
                          PublishedFile::Create(options.path));
  return std::make_unique<FieldDatasetWriter>(std::move(file),
                                              std::move(format));
}

uint8_t ProbeShape::Protocol(Family family) const {
  constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58;
  if (method == Method::kUdp) return kUdp;
  if (method != Method::kIcmp) return kTcp;
  return family == Family::kIpv6 ? kIcmpv6 : kIcmp;
}

ProbeShape ShapeOf(const std::string& manifest) {
  const Json json = Json::parse(manifest, nullptr, /*allow_exceptions=*/false);
  ProbeShape shape;
  shape.start = SecondsOf(TextAt(json, "/start"));
  shape.vantage = TextAt(json, "/vantage");
  const std::string protocol = TextAt(json, "/configuration/protocol");
  if (protocol == "udp") {
    shape.method = ProbeShape::Method::kUdp;
    shape.target_port = 33'434;
  } else if (protocol == "tcp-ack" || protocol == "tcp-syn") {
    shape.method = protocol == "tcp-ack" ? ProbeShape::Method::kTcpAck
                                         : ProbeShape::Method::kTcpSyn;
    shape.target_port = 80;
  }
  return shape;
}

void NodeSet::Merge() {
  std::sort(nodes_.begin(), nodes_.end());
  nodes_.erase(std::unique(nodes_.begin(), nodes_.end()), nodes_.end());
  merge_at_ = 2 * nodes_.size() + (1 << 16);
}

absl::StatusOr<std::unique_ptr<Backlog>> Backlog::Create(
    const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  std::error_code none;
  if (path == "-") directory = std::filesystem::temp_directory_path(none);
  if (directory.empty()) directory = ".";
  std::string name = absl::StrCat(directory, "/fathom-XXXXXX");
  UniqueFd fd(mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) {
    return FileError("create a temporary file for", path, errno);
  }
  unlink(name.c_str());
  return std::unique_ptr<Backlog>(new Backlog(std::move(fd)));
}

void Backlog::Put(std::string_view text) {
  gathered_.append(text);
  if (gathered_.size() >= kBlock) Flush();
}

void Backlog::Flush() {
  std::string_view rest = gathered_;
  while (state_.ok() && !rest.empty()) {
    const ssize_t written = write(fd_.get(), rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      state_ = FileError("write", "a temporary file", errno);
    }
    rest.remove_prefix(static_cast<size_t>(std::max<ssize_t>(written, 0)));
  }
  gathered_.clear();
}

absl::Status Backlog::MoveTo(PublishedFile& out) {
  Flush();
  FATHOM_RETURN_IF_ERROR(state_);
  std::string block(kBlock, '\0');
  for (off_t at = 0;;) {
    const ssize_t count = pread(fd_.get(), block.data(), block.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("read", "a temporary file", errno);
    if (count == 0) return out.status();
    out.Put(std::string_view(block).substr(0, static_cast<size_t>(count)));
    at += count;
  }
}

}  // namespace fathom
