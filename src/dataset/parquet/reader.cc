#include "src/dataset/parquet/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet/byte_values.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/rebuild.h"

namespace fathom::parquet {
namespace {

constexpr size_t kMagicSize = kMagic.size();
// The footer's length and the magic.
constexpr size_t kTailSize = sizeof(uint32_t) + kMagicSize;

// No chunk of kRowGroupRows values and a dictionary is larger.
constexpr int64_t kMaxChunkBytes =
    2 * (MaxEncodedSize<uint64_t>(kRowGroupRows) + kMaxStringPage);

// Checks that the chunks of `group` follow each other from `*offset` on, which
// moves to their end, and that all numbers of rows agree.
absl::Status CheckRowGroup(const RowGroupMetadata& group, int64_t data_end,
                           int64_t* offset) {
  if (group.rows < 1 || group.rows > static_cast<int64_t>(kRowGroupRows)) {
    return absl::DataLossError(absl::StrCat(group.rows, " rows"));
  }
  const int64_t start = *offset;
  int64_t uncompressed = 0;
  for (const Chunk& chunk : group.chunks) {
    const bool ordered = (chunk.encoding == Encoding::kRleDictionary) ==
                         (chunk.dictionary_offset >= 0);
    if (chunk.values != group.rows || chunk.offset() != *offset || !ordered ||
        chunk.compressed_bytes < 1 || chunk.uncompressed_bytes < 1 ||
        chunk.compressed_bytes > kMaxChunkBytes ||
        chunk.compressed_bytes > data_end - *offset) {
      return absl::DataLossError(absl::StrCat(
          "a column of ", chunk.values, " values in ", chunk.compressed_bytes,
          " bytes at ", chunk.offset(), ", where ", group.rows, " at ", *offset,
          " and before ", data_end, " belong"));
    }
    *offset += chunk.compressed_bytes;
    // A chunk is bounded once read; until then this must not overflow.
    if (__builtin_add_overflow(uncompressed, chunk.uncompressed_bytes,
                               &uncompressed)) {
      return absl::DataLossError("too many bytes");
    }
  }
  if (group.offset != start || group.compressed_bytes != *offset - start ||
      group.uncompressed_bytes != uncompressed) {
    return absl::DataLossError(
        "offset and sizes that are not those of its columns");
  }
  return absl::OkStatus();
}

absl::Status CheckRowGroups(const FileMetadata& file, int64_t data_end) {
  int64_t offset = kMagicSize;
  int64_t rows = 0;
  for (size_t i = 0; i < file.row_groups.size(); ++i) {
    const absl::Status status =
        CheckRowGroup(file.row_groups[i], data_end, &offset);
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrCat("row group ", i, " has ", status.message()));
    }
    rows += file.row_groups[i].rows;
  }
  if (offset != data_end) {
    return absl::DataLossError(absl::StrCat(
        "the row groups end at ", offset, ", the footer begins at ", data_end));
  }
  if (rows != file.rows) {
    return absl::DataLossError(absl::StrCat(
        "row groups with ", rows, " rows where ", file.rows, " were written"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> Reader::OpenFile(
    const std::string& path, const Schema& schema) {
  FATHOM_ASSIGN_OR_RETURN(ChunkReader chunks, ChunkReader::Make());
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", path, errno);
  return std::unique_ptr<Reader>(
      new Reader(path, std::move(fd), schema, std::move(chunks)));
}

absl::StatusOr<std::unique_ptr<Reader>> Reader::Open(const std::string& path,
                                                     const Schema& schema) {
  FATHOM_ASSIGN_OR_RETURN(auto reader, OpenFile(path, schema));
  FATHOM_RETURN_IF_ERROR(reader->Located(reader->ReadFooter(), "footer"));
  return reader;
}

absl::StatusOr<std::unique_ptr<Reader>> Reader::OpenDamaged(
    const std::string& path, const Schema& schema) {
  FATHOM_ASSIGN_OR_RETURN(auto reader, OpenFile(path, schema));
  if (!reader->ReadFooter().ok()) reader->Rebuild();
  return reader;
}

void Reader::Rebuild() {
  struct stat status;
  const int64_t size = fstat(fd_.get(), &status) == 0 ? status.st_size : 0;
  metadata_ = RebuildMetadata(
      schema_,
      [&](int64_t offset,
          size_t most) -> absl::StatusOr<std::span<const std::byte>> {
        const int64_t left = std::max<int64_t>(size - offset, 0);
        FATHOM_RETURN_IF_ERROR(
            ReadAt(offset, std::min(most, static_cast<size_t>(left))));
        return std::span<const std::byte>(bytes_);
      });
  // A row group cut short, or with pages too large to be ours, ends the file.
  while (!metadata_.row_groups.empty()) {
    int64_t offset = metadata_.row_groups.back().offset;
    if (CheckRowGroup(metadata_.row_groups.back(), size, &offset).ok()) break;
    metadata_.rows -= metadata_.row_groups.back().rows;
    metadata_.row_groups.pop_back();
  }
  rebuilt_ = true;
}

const std::string* Reader::Find(std::string_view key) const {
  for (const auto& [found, value] : metadata_.key_values) {
    if (found == key) return &value;
  }
  return nullptr;
}

absl::Status Reader::ReadRowGroup(size_t index, std::vector<Values>* columns) {
  assert(index < row_groups());
  const RowGroupMetadata& group = metadata_.row_groups[index];
  columns->resize(schema_.columns.size());
  for (size_t i = 0; i < schema_.columns.size(); ++i) {
    const absl::Status status =
        ReadChunk(group.chunks[i], schema_.columns[i], &(*columns)[i]);
    if (status.ok()) continue;
    return Located(status, absl::StrCat("row group ", index, ", column \"",
                                        schema_.columns[i].name, "\""));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadFooter() {
  struct stat status;
  if (fstat(fd_.get(), &status) != 0) return absl::ErrnoToStatus(errno, "stat");
  if (!S_ISREG(status.st_mode)) return absl::DataLossError("not a file");
  const int64_t size = status.st_size;
  if (size < static_cast<int64_t>(kMagicSize + kTailSize)) {
    return absl::DataLossError(
        absl::StrCat(size, " bytes are no Parquet file"));
  }
  FATHOM_RETURN_IF_ERROR(ReadAt(0, kMagicSize));
  if (std::memcmp(bytes_.data(), kMagic.data(), kMagicSize) != 0) {
    return absl::DataLossError("does not begin as a Parquet file");
  }
  const int64_t tail = size - static_cast<int64_t>(kTailSize);
  FATHOM_RETURN_IF_ERROR(ReadAt(tail, kTailSize));
  uint32_t footer_size;
  std::memcpy(&footer_size, bytes_.data(), sizeof footer_size);
  if (std::memcmp(&bytes_[sizeof footer_size], kMagic.data(), kMagicSize) !=
      0) {
    return absl::DataLossError(
        "does not end as a Parquet file: cut short, perhaps");
  }
  if (footer_size > tail - static_cast<int64_t>(kMagicSize)) {
    return absl::DataLossError(absl::StrCat("a footer of ", footer_size,
                                            " bytes in a file of ", size));
  }
  FATHOM_RETURN_IF_ERROR(ReadAt(tail - footer_size, footer_size));
  FATHOM_ASSIGN_OR_RETURN(metadata_, ParseFooter(bytes_, schema_));
  return CheckRowGroups(metadata_, tail - footer_size);
}

absl::Status Reader::ReadAt(int64_t offset, size_t size) {
  bytes_.resize(size);
  std::span<std::byte> room(bytes_);
  while (!room.empty()) {
    const ssize_t count = pread(fd_.get(), room.data(), room.size(), offset);
    if (count < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "read");
    }
    if (count == 0) return absl::DataLossError("the file became shorter");
    offset += count;
    room = room.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadChunk(const Chunk& chunk, const Column& column,
                               Values* values) {
  FATHOM_RETURN_IF_ERROR(
      ReadAt(chunk.offset(), static_cast<size_t>(chunk.compressed_bytes)));
  return chunks_.Read(bytes_, column, chunk, values);
}

absl::Status Reader::Located(const absl::Status& status,
                             std::string_view where) const {
  if (status.ok()) return status;
  return absl::Status(
      status.code(), absl::StrCat("read ", path_, ": ",
                                  absl::string_view(where.data(), where.size()),
                                  ": ", status.message()));
}

}  // namespace fathom::parquet
