#ifndef FATHOM_SRC_ANNOTATE_INPUT_FILE_H_
#define FATHOM_SRC_ANNOTATE_INPUT_FILE_H_

#include <xxhash.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"

namespace fathom {

// A file that tells of networks, from start to end, as lines or as bytes; what
// gzip compressed is read as it was before. Keeps the place for errors and the
// hash of the file as it lies on the disk. Holds a block of it, or the one
// record that is longer.
class InputFile {
 public:
  // No line or record is longer than this.
  static constexpr size_t kMaxRecord = size_t{16} << 20;

  static absl::StatusOr<InputFile> Open(const std::string& path);

  const std::string& path() const { return path_; }

  // The next bytes, without taking them: `want`, or fewer at the end.
  // REQUIRES: want <= kMaxRecord. Valid until the next call of any function.
  absl::StatusOr<std::string_view> Peek(size_t want);

  // Takes the next bytes: `want`, or fewer at the end.
  absl::StatusOr<std::string_view> Take(size_t want);

  // Takes the next line that is neither blank nor begins with '#', without its
  // end and without space around it; false at the end of the file.
  absl::StatusOr<bool> NextText(std::string_view* line);

  // Takes all the rest, if it is at most `most` bytes.
  absl::StatusOr<std::string> Rest(size_t most);

  // "read PATH: line 3: what" or "read PATH: byte 12: what", for what was taken
  // last. Of a compressed file, places are those of its contents.
  absl::Status BadLine(std::string_view what) const;
  absl::Status BadBytes(std::string_view what) const;

  // Of the file on the disk. REQUIRES: the end was read.
  uint64_t bytes() const { return bytes_; }
  uint64_t xxh3() const { return XXH3_64bits_digest(hash_.get()); }

 private:
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  struct EndInflate {
    void operator()(z_stream* stream) const {
      inflateEnd(stream);
      delete stream;
    }
  };

  InputFile(std::string path, UniqueFd fd);

  std::string_view ahead() const {
    return std::string_view(buffer_).substr(next_);
  }
  absl::Status Fill(size_t want);
  // Appends what comes next to buffer_; sets at_end_ where nothing does.
  absl::Status ReadMore();
  absl::StatusOr<size_t> ReadRaw();
  absl::Status InflateMore();
  absl::StatusOr<bool> NextLine(std::string_view* line);

  std::string path_;
  UniqueFd fd_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_;
  std::unique_ptr<z_stream, EndInflate> inflate_;  // Where it is compressed.
  bool between_members_ = false;  // One gzip ended: another, or the end.
  bool raw_end_ = false;
  std::string raw_;  // A block of the file, where it is compressed.
  std::string buffer_;
  size_t next_ = 0;      // Of buffer_.
  uint64_t bytes_ = 0;   // Read from the disk.
  uint64_t offset_ = 0;  // Of what was taken last.
  uint64_t taken_ = 0;
  uint64_t line_ = 0;  // The number of the line that was taken last.
  bool at_end_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_INPUT_FILE_H_
