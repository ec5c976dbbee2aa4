#ifndef FATHOM_SRC_FOUND_FOUND_FILE_H_
#define FATHOM_SRC_FOUND_FOUND_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"
#include "src/found/unpacker.h"

struct XXH3_state_s;

namespace fathom::found {

// A result as its reader sees it: lines or bytes, from start to end, with the
// place kept for errors. Holds a block of it, or the one record that is longer.
// What gzip or zstd has packed is unpacked on the way; offsets in errors are
// those of the unpacked bytes.
class FoundFile {
 public:
  // No line or record of any result is longer than this.
  static constexpr size_t kMaxRecord = 64 << 20;

  // "-" is standard input. A directory opens too, as a file without bytes.
  static absl::StatusOr<FoundFile> Open(const std::string& path);

  const std::string& path() const { return path_; }

  // Of what was read so far, as it stands on the disk: bytes, and their
  // XXH3-64.
  uint64_t bytes() const { return bytes_; }
  uint64_t Xxh3() const;

  // The next bytes, without taking them: `want`, or fewer at the end.
  // REQUIRES: want <= kMaxRecord. Valid until the next call of any function.
  absl::StatusOr<std::string_view> Peek(size_t want);

  // Takes the next bytes: `want`, or fewer at the end.
  absl::StatusOr<std::string_view> Take(size_t want);

  // Takes the next line, without its end; false at the end of the file. The
  // last line may lack its end.
  absl::StatusOr<bool> NextLine(std::string_view* line);

  // Takes the next line that is neither blank nor begins with '#'.
  absl::StatusOr<bool> NextText(std::string_view* line);

  // "PATH:LINE: what" or "PATH, byte OFFSET: what", for what was taken last.
  absl::Status BadLine(std::string_view what) const;
  absl::Status BadBytes(std::string_view what) const;

 private:
  struct FreeHash {
    void operator()(XXH3_state_s* state) const;
  };

  FoundFile(std::string path, UniqueFd fd);

  std::string_view ahead() const {
    return std::string_view(buffer_).substr(next_);
  }
  // Reads on until there are `want` bytes ahead, or no more come.
  absl::Status Fill(size_t want);
  // Appends the next block of the file to `out`; false at its end.
  absl::StatusOr<bool> ReadBlock(std::string& out);
  absl::Status AppendUnpacked();

  std::string path_;
  UniqueFd fd_;
  std::unique_ptr<XXH3_state_s, FreeHash> hash_;
  uint64_t bytes_ = 0;
  std::unique_ptr<Unpacker> unpacker_;  // Null if nothing is packed.
  std::string packed_;  // A block of the file; of it, unpacked_ are done.
  size_t unpacked_ = 0;
  std::string buffer_;
  size_t next_ = 0;      // Of buffer_.
  uint64_t offset_ = 0;  // In the file, of what was taken last.
  uint64_t taken_ = 0;   // Bytes of the file.
  uint64_t line_ = 0;    // The number of the line that was taken last.
  bool at_end_ = false;  // Nothing comes after buffer_.
};

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_FOUND_FILE_H_
