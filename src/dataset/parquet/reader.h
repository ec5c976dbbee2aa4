#ifndef FATHOM_SRC_DATASET_PARQUET_READER_H_
#define FATHOM_SRC_DATASET_PARQUET_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/pages.h"
#include "src/dataset/parquet/schema.h"

namespace fathom::parquet {

// Reads the files of Writer, and no other Parquet. The file may hold any bytes
// at all: every number in it is held against what else is known, pages have
// checksums, and memory is taken only for what the file's own size bears out
// and for one row group.
//
// Errors name the file and, where there is one, the row group and column.
class Reader {
 public:
  // Opens a file with the columns of `schema`, which must outlive the reader.
  static absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path,
                                                      const Schema& schema);

  // The same of a file that may be damaged: where its footer is of no use, its
  // row groups are found by the headers of their pages, and rebuilt() is true.
  static absl::StatusOr<std::unique_ptr<Reader>> OpenDamaged(
      const std::string& path, const Schema& schema);

  bool rebuilt() const { return rebuilt_; }
  uint64_t rows() const { return static_cast<uint64_t>(metadata_.rows); }
  size_t row_groups() const { return metadata_.row_groups.size(); }
  const FileMetadata& metadata() const { return metadata_; }

  // The value of `key` in the footer; null if it has none.
  const std::string* Find(std::string_view key) const;

  // Reads the row group `index` into one vector per column.
  // REQUIRES: index < row_groups().
  absl::Status ReadRowGroup(size_t index, std::vector<Values>* columns);

 private:
  Reader(std::string path, UniqueFd fd, const Schema& schema,
         ChunkReader chunks)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        schema_(schema),
        chunks_(std::move(chunks)) {}

  static absl::StatusOr<std::unique_ptr<Reader>> OpenFile(
      const std::string& path, const Schema& schema);
  absl::Status ReadFooter();
  void Rebuild();
  absl::Status ReadAt(int64_t offset, size_t size);
  absl::Status ReadChunk(const Chunk& chunk, const Column& column,
                         Values* values);
  // `status` with the file and the place in it before its message.
  absl::Status Located(const absl::Status& status,
                       std::string_view where) const;

  const std::string path_;
  const UniqueFd fd_;
  const Schema schema_;
  ChunkReader chunks_;
  FileMetadata metadata_;
  bool rebuilt_ = false;
  std::vector<std::byte> bytes_;  // What ReadAt() read last.
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_READER_H_
