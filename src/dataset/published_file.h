#ifndef FATHOM_SRC_DATASET_PUBLISHED_FILE_H_
#define FATHOM_SRC_DATASET_PUBLISHED_FILE_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/dataset/output_file.h"

namespace fathom {

// One file that appears when it is whole, or standard output. What is put into
// it is gathered before it is written; the first error is kept, and nothing
// more is written after it.
class PublishedFile {
 public:
  // Writes to `path`, at which nothing may be yet, or to standard output if
  // that is "-".
  static absl::StatusOr<PublishedFile> Create(const std::string& path);

  // Leaves nothing behind unless Publish() was well.
  ~PublishedFile();

  PublishedFile(PublishedFile&& other) noexcept
      : file_(std::move(other.file_)),
        path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, "")),
        gathered_(std::move(other.gathered_)),
        state_(std::move(other.state_)) {}
  PublishedFile& operator=(PublishedFile&&) = delete;

  void Put(std::string_view bytes) {
    gathered_.append(bytes);
    if (gathered_.size() >= kGathered) Flush();
  }
  void Put(char c) { Put(std::string_view(&c, 1)); }

  // OK, or the first error.
  const absl::Status& status() const { return state_; }

  // Writes the rest and gives the file its name. Once; nothing may be put
  // afterwards.
  absl::Status Publish();

 private:
  static constexpr size_t kGathered = 1 << 18;

  PublishedFile(OutputFile file, std::string path, std::string temporary)
      : file_(std::move(file)),
        path_(std::move(path)),
        temporary_(std::move(temporary)) {}

  void Flush();

  OutputFile file_;
  std::string path_;
  std::string temporary_;  // Empty if there is nothing to rename.
  std::string gathered_;
  absl::Status state_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_PUBLISHED_FILE_H_
