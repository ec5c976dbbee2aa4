#include "src/dataset/parquet/rebuild.h"

#include <utility>

#include "src/base/status_macros.h"

namespace fathom::parquet {
namespace {

// No page header of ours is longer.
constexpr size_t kMostHeader = 256;

using ReadAt = std::function<absl::StatusOr<std::span<const std::byte>>(
    int64_t offset, size_t size)>;

// Adds the page at `offset`, which is moved behind it, to the chunk.
absl::StatusOr<PageHeader> TakePage(const ReadAt& read_at, int64_t* offset,
                                    Chunk* chunk) {
  FATHOM_ASSIGN_OR_RETURN(const auto bytes, read_at(*offset, kMostHeader));
  size_t size = 0;
  FATHOM_ASSIGN_OR_RETURN(const PageHeader page, ParsePageHeader(bytes, &size));
  // More than any of ours, and little enough for the sums not to overflow.
  constexpr int64_t kMostBytes = int64_t{1} << 32;
  if (page.compressed_bytes < 1 || page.compressed_bytes > kMostBytes ||
      page.uncompressed_bytes < 1 || page.uncompressed_bytes > kMostBytes) {
    return absl::DataLossError("no page");
  }
  const auto header = static_cast<int64_t>(size);
  chunk->compressed_bytes += header + page.compressed_bytes;
  chunk->uncompressed_bytes += header + page.uncompressed_bytes;
  *offset += header + page.compressed_bytes;
  return page;
}

absl::StatusOr<Chunk> TakeChunk(const ReadAt& read_at, int64_t* offset) {
  Chunk chunk;
  chunk.compressed_bytes = 0;
  chunk.uncompressed_bytes = 0;
  chunk.nulls = 0;
  chunk.ranged = false;
  chunk.data_offset = *offset;
  FATHOM_ASSIGN_OR_RETURN(PageHeader page, TakePage(read_at, offset, &chunk));
  if (page.type == PageType::kDictionary) {
    chunk.dictionary_offset = chunk.data_offset;
    chunk.data_offset = *offset;
    FATHOM_ASSIGN_OR_RETURN(page, TakePage(read_at, offset, &chunk));
  }
  if (page.type != PageType::kData) return absl::DataLossError("no data page");
  chunk.encoding = page.encoding;
  chunk.values = page.values;
  return chunk;
}

absl::StatusOr<RowGroupMetadata> TakeRowGroup(const Schema& schema,
                                              const ReadAt& read_at,
                                              int64_t offset) {
  RowGroupMetadata group;
  group.offset = offset;
  group.uncompressed_bytes = 0;
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    FATHOM_ASSIGN_OR_RETURN(Chunk chunk, TakeChunk(read_at, &offset));
    group.uncompressed_bytes += chunk.uncompressed_bytes;
    group.chunks.push_back(std::move(chunk));
    if (group.chunks[i].values != group.chunks[0].values) {
      return absl::DataLossError("columns of different length");
    }
  }
  group.rows = group.chunks[0].values;
  group.compressed_bytes = offset - group.offset;
  if (group.rows < 1 || group.rows > static_cast<int64_t>(kRowGroupRows)) {
    return absl::DataLossError("no row group");
  }
  return group;
}

}  // namespace

FileMetadata RebuildMetadata(const Schema& schema, const ReadAt& read_at) {
  FileMetadata file;
  file.rows = 0;
  auto offset = static_cast<int64_t>(kMagic.size());
  while (true) {
    auto group = TakeRowGroup(schema, read_at, offset);
    if (!group.ok()) return file;
    offset += group->compressed_bytes;
    file.rows += group->rows;
    file.row_groups.push_back(*std::move(group));
  }
}

}  // namespace fathom::parquet
