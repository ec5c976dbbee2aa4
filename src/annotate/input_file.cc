#include "src/annotate/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/annotate/text.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

constexpr size_t kBlock = size_t{1} << 18;

}  // namespace

InputFile::InputFile(std::string path, UniqueFd fd)
    : path_(std::move(path)), fd_(std::move(fd)), hash_(XXH3_createState()) {
  XXH3_64bits_reset(hash_.get());
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  struct stat status;
  if (fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("open ", path, ": it is a directory; give a file"));
  }
  InputFile file(path, std::move(fd));
  FATHOM_RETURN_IF_ERROR(file.Fill(2));
  if (!file.ahead().starts_with("\x1f\x8b")) return file;
  file.raw_ = std::exchange(file.buffer_, {});
  file.at_end_ = false;
  auto stream = std::make_unique<z_stream>();
  stream->next_in = reinterpret_cast<Bytef*>(file.raw_.data());
  stream->avail_in = static_cast<uInt>(file.raw_.size());
  constexpr int kGzip = 15 + 16;
  if (inflateInit2(stream.get(), kGzip) != Z_OK) {
    return absl::ResourceExhaustedError(absl::StrCat("inflate ", path));
  }
  // From here on it is to be ended, too.
  file.inflate_.reset(stream.release());
  return file;
}

// Appends a block of the file to buffer_, or to raw_ where it is compressed.
absl::StatusOr<size_t> InputFile::ReadRaw() {
  std::string& to = inflate_ != nullptr ? raw_ : buffer_;
  const size_t before = to.size();
  to.resize(before + kBlock);
  ssize_t got;
  do {
    got = read(fd_.get(), to.data() + before, kBlock);
  } while (got < 0 && errno == EINTR);
  to.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path_));
  const auto count = static_cast<size_t>(got);
  bytes_ += count;
  XXH3_64bits_update(hash_.get(), to.data() + before, count);
  return count;
}

absl::Status InputFile::InflateMore() {
  z_stream& stream = *inflate_;
  if (stream.avail_in == 0) {
    raw_.clear();
    FATHOM_ASSIGN_OR_RETURN(const size_t got, ReadRaw());
    stream.next_in = reinterpret_cast<Bytef*>(raw_.data());
    stream.avail_in = static_cast<uInt>(got);
    if (got == 0 && between_members_) at_end_ = true;
    if (got == 0 && !between_members_) return BadBytes("its gzip is cut off");
    if (got == 0) return absl::OkStatus();
  }
  if (between_members_) {
    inflateReset(&stream);
    between_members_ = false;
  }
  const size_t before = buffer_.size();
  buffer_.resize(before + kBlock);
  stream.next_out = reinterpret_cast<Bytef*>(buffer_.data() + before);
  stream.avail_out = kBlock;
  const int code = inflate(&stream, Z_NO_FLUSH);
  buffer_.resize(buffer_.size() - stream.avail_out);
  if (code == Z_STREAM_END) between_members_ = true;
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
    return BadBytes("its gzip is damaged");
  }
  return absl::OkStatus();
}

absl::Status InputFile::ReadMore() {
  if (inflate_ != nullptr) return InflateMore();
  FATHOM_ASSIGN_OR_RETURN(const size_t got, ReadRaw());
  at_end_ = got == 0;
  return absl::OkStatus();
}

absl::Status InputFile::Fill(size_t want) {
  if (buffer_.size() - next_ >= want || at_end_) return absl::OkStatus();
  buffer_.erase(0, next_);
  next_ = 0;
  while (buffer_.size() < want && !at_end_) FATHOM_RETURN_IF_ERROR(ReadMore());
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> InputFile::Peek(size_t want) {
  FATHOM_RETURN_IF_ERROR(Fill(want));
  return ahead().substr(0, want);
}

absl::StatusOr<std::string_view> InputFile::Take(size_t want) {
  FATHOM_ASSIGN_OR_RETURN(const std::string_view bytes, Peek(want));
  next_ += bytes.size();
  offset_ = taken_;
  taken_ += bytes.size();
  return bytes;
}

absl::StatusOr<bool> InputFile::NextLine(std::string_view* line) {
  size_t known = 0;  // Bytes ahead that hold no end of a line.
  size_t end;
  while ((end = ahead().find('\n', known)) == std::string_view::npos) {
    known = ahead().size();
    if (known > kMaxRecord) {
      ++line_;
      return BadLine("a line without end");
    }
    if (at_end_) break;
    FATHOM_RETURN_IF_ERROR(Fill(known + 1));
  }
  if (ahead().empty()) return false;
  ++line_;
  const size_t length = end == std::string_view::npos ? known : end;
  FATHOM_ASSIGN_OR_RETURN(
      const std::string_view taken,
      Take(length + (end == std::string_view::npos ? 0 : 1)));
  *line = taken.substr(0, length);
  return true;
}

absl::StatusOr<bool> InputFile::NextText(std::string_view* line) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool more, NextLine(line));
    if (!more) return false;
    *line = Strip(*line);
    if (!line->empty() && !line->starts_with('#')) return true;
  }
}

absl::StatusOr<std::string> InputFile::Rest(size_t most) {
  while (!at_end_ && buffer_.size() - next_ <= most) {
    FATHOM_RETURN_IF_ERROR(ReadMore());
  }
  if (buffer_.size() - next_ > most) {
    return BadBytes(absl::StrCat("more than ", most, " bytes"));
  }
  std::string rest(ahead());
  next_ = buffer_.size();
  return rest;
}

absl::Status InputFile::BadLine(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat("read ", path_, ": line ", line_, ": ", std::string(what)));
}

absl::Status InputFile::BadBytes(std::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(
      "read ", path_, ": byte ", offset_, ": ", std::string(what)));
}

}  // namespace fathom
