#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/pages.h"

namespace fathom::parquet {
namespace {

// Higher levels take longer and save next to nothing on packed integers.
constexpr int kZstdLevel = 1;

// Indices below `count`. Never zero bits: readers differ on what that means.
int IndexWidth(size_t count, Layout layout) {
  const int bits = std::max(static_cast<int>(std::bit_width(count - 1)), 1);
  return layout == Layout::kDictionaryBytes ? (bits + 7) / 8 * 8 : bits;
}

}  // namespace

void ChunkWriter::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

absl::StatusOr<ChunkWriter> ChunkWriter::Make() {
  std::unique_ptr<ZSTD_CCtx_s, Free> context(ZSTD_createCCtx());
  if (context == nullptr) {
    return absl::ResourceExhaustedError("make a zstd context: no memory");
  }
  return ChunkWriter(std::move(context));
}

absl::StatusOr<std::span<const std::byte>> ChunkWriter::Write(
    const Column& column, const Values& values, int64_t offset, Chunk* chunk) {
  *chunk = Chunk();
  chunk->uncompressed_bytes = 0;
  chunk->nulls = 0;
  chunk->data_offset = offset;
  pages_.clear();
  const absl::Status status = std::visit(
      [&](const auto& vector) {
        using T = typename std::decay_t<decltype(vector)>::value_type;
        return WriteValues(column.layout, std::span<const T>(vector), chunk);
      },
      values);
  if (!status.ok()) return status;
  chunk->compressed_bytes = static_cast<int64_t>(pages_.size());
  return std::span<const std::byte>(pages_);
}

template <typename T>
absl::Status ChunkWriter::WriteValues(Layout layout, std::span<const T> values,
                                      Chunk* chunk) {
  assert(!values.empty() && values.size() <= kRowGroupRows);
  chunk->values = static_cast<int64_t>(values.size());
  const auto [min, max] = Range(values);
  chunk->min = min;
  chunk->max = max;
  encoded_.resize(std::max(encoded_.size(), MaxEncodedSize<T>(values.size())));

  if (layout == Layout::kDictionary || layout == Layout::kDictionaryBytes) {
    if (!dictionary_.Build(values, min, max)) {
      layout = Layout::kDelta;
    } else {
      const std::vector<T> distinct(dictionary_.distinct().begin(),
                                    dictionary_.distinct().end());
      const size_t size = EncodePlain(std::span<const T>(distinct), encoded_);
      FATHOM_RETURN_IF_ERROR(
          AppendPage(size,
                     {.type = PageType::kDictionary,
                      .values = static_cast<int64_t>(distinct.size())},
                     chunk));
      chunk->encoding = Encoding::kRleDictionary;
      chunk->dictionary_offset = chunk->data_offset;
      chunk->data_offset += static_cast<int64_t>(pages_.size());
    }
  }
  size_t size = 0;
  if (chunk->encoding == Encoding::kRleDictionary) {
    size = EncodeIndices(dictionary_.indices(),
                         IndexWidth(dictionary_.distinct().size(), layout),
                         encoded_);
  } else if (layout == Layout::kDelta) {
    chunk->encoding = Encoding::kDeltaBinaryPacked;
    size = EncodeDelta(values, encoded_);
  } else {
    size = EncodePlain(values, encoded_);
  }
  return AppendPage(
      size, {.values = chunk->values, .encoding = chunk->encoding}, chunk);
}

absl::Status ChunkWriter::AppendPage(size_t size, PageHeader header,
                                     Chunk* chunk) {
  compressed_.resize(std::max(compressed_.size(), ZSTD_compressBound(size)));
  const size_t result =
      ZSTD_compressCCtx(context_.get(), compressed_.data(), compressed_.size(),
                        encoded_.data(), size, kZstdLevel);
  if (ZSTD_isError(result) != 0) {
    return absl::InternalError(
        absl::StrCat("compress a page: ", ZSTD_getErrorName(result)));
  }
  const auto page = std::span(compressed_).first(result);
  header.uncompressed_bytes = static_cast<int64_t>(size);
  header.compressed_bytes = static_cast<int64_t>(page.size());
  header.crc = static_cast<int64_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(page.data()), page.size()));
  const std::string head = SerializePageHeader(header);
  chunk->uncompressed_bytes += static_cast<int64_t>(head.size() + size);

  const size_t start = pages_.size();
  pages_.resize(start + head.size() + page.size());
  std::memcpy(&pages_[start], head.data(), head.size());
  std::memcpy(&pages_[start + head.size()], page.data(), page.size());
  return absl::OkStatus();
}

}  // namespace fathom::parquet
