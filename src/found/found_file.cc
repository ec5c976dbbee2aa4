#include "src/found/found_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/found/text.h"

namespace fathom::found {
namespace {

constexpr size_t kBlock = 1 << 16;

absl::Status ReadError(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("read ", path));
}

}  // namespace

absl::StatusOr<FoundFile> FoundFile::Open(const std::string& path) {
  const bool standard = path == "-";
  UniqueFd fd(standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                       : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ReadError(path, errno);
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return ReadError(path, errno);
  FoundFile file(standard ? "standard input" : path, std::move(fd));
  file.at_end_ = S_ISDIR(status.st_mode);
  FATHOM_RETURN_IF_ERROR(file.Fill(1));
  auto unpacker = UnpackerFor(file.ahead());
  if (!unpacker.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.path_, ": ", std::string(unpacker.status().message())));
  }
  if (*unpacker != nullptr) {
    file.unpacker_ = *std::move(unpacker);
    file.packed_ = std::exchange(file.buffer_, "");
    file.at_end_ = false;
  }
  return file;
}

FoundFile::FoundFile(std::string path, UniqueFd fd)
    : path_(std::move(path)), fd_(std::move(fd)), hash_(XXH3_createState()) {
  XXH3_64bits_reset(hash_.get());
}

void FoundFile::FreeHash::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

uint64_t FoundFile::Xxh3() const { return XXH3_64bits_digest(hash_.get()); }

absl::StatusOr<bool> FoundFile::ReadBlock(std::string& out) {
  const size_t held = out.size();
  out.resize(held + kBlock);
  ssize_t count;
  do {
    count = read(fd_.get(), out.data() + held, kBlock);
  } while (count < 0 && errno == EINTR);
  const int error = errno;
  out.resize(held + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0) return ReadError(path_, error);
  bytes_ += static_cast<uint64_t>(count);
  XXH3_64bits_update(hash_.get(), out.data() + held,
                     static_cast<size_t>(count));
  return count > 0;
}

absl::Status FoundFile::AppendUnpacked() {
  std::string_view rest = std::string_view(packed_).substr(unpacked_);
  const absl::Status status = unpacker_->Step(rest, buffer_);
  unpacked_ = packed_.size() - rest.size();
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path_, ", packed byte ", bytes_ - rest.size(),
                   " or before: ", std::string(status.message())));
}

absl::Status FoundFile::Fill(size_t want) {
  while (buffer_.size() - next_ < want && !at_end_) {
    if (next_ > 0) buffer_.erase(0, next_);
    next_ = 0;
    if (unpacker_ == nullptr) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, ReadBlock(buffer_));
      at_end_ = !any;
      continue;
    }
    if (unpacked_ < packed_.size() || unpacker_->has_more()) {
      FATHOM_RETURN_IF_ERROR(AppendUnpacked());
      continue;
    }
    packed_.clear();
    unpacked_ = 0;
    FATHOM_ASSIGN_OR_RETURN(const bool any, ReadBlock(packed_));
    at_end_ = !any;
    if (at_end_ && !unpacker_->is_whole()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_,
                       ": the packed file is cut short; unpack what there is, "
                       "and read that"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> FoundFile::Peek(size_t want) {
  FATHOM_RETURN_IF_ERROR(Fill(want));
  return ahead().substr(0, want);
}

absl::StatusOr<std::string_view> FoundFile::Take(size_t want) {
  FATHOM_RETURN_IF_ERROR(Fill(want));
  const std::string_view bytes = ahead().substr(0, want);
  next_ += bytes.size();
  offset_ = taken_;
  taken_ += bytes.size();
  return bytes;
}

absl::StatusOr<bool> FoundFile::NextLine(std::string_view* line) {
  size_t end = ahead().find('\n');
  while (end == std::string_view::npos && !at_end_) {
    const size_t held = ahead().size();
    if (held > kMaxRecord) return BadLine("a line of more than 64 MB");
    FATHOM_RETURN_IF_ERROR(Fill(held + 1));
    end = ahead().find('\n', held);
  }
  if (end == std::string_view::npos && ahead().empty()) return false;
  const std::string_view rest = ahead();
  *line = rest.substr(0, end);
  const size_t taken =
      end == std::string_view::npos ? rest.size() : line->size() + 1;
  next_ += taken;
  offset_ = taken_;
  taken_ += taken;
  ++line_;
  if (line->ends_with('\r')) line->remove_suffix(1);
  return true;
}

absl::StatusOr<bool> FoundFile::NextText(std::string_view* line) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, NextLine(line));
    if (!any) return false;
    if (!Strip(*line).empty() && !line->starts_with('#')) return true;
  }
}

absl::Status FoundFile::BadLine(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(path_, ":", line_, ": ", std::string(what)));
}

absl::Status FoundFile::BadBytes(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(path_, ", byte ", offset_, ": ", std::string(what)));
}

}  // namespace fathom::found
