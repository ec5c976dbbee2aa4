#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/byte_values.h"
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
        using T = std::decay_t<decltype(vector)>;
        chunk->values = static_cast<int64_t>(vector.size());
        assert(vector.size() >= 1 && vector.size() <= kRowGroupRows);
        if constexpr (std::is_same_v<T, Strings>) {
          return WriteStrings(vector, chunk);
        } else if constexpr (std::is_same_v<T, std::vector<AddressBytes>>) {
          return WriteAddresses(vector, chunk);
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          return WriteDoubles(vector, chunk);
        } else {
          using Integer = typename T::value_type;
          return WriteValues(column.layout, std::span<const Integer>(vector),
                             chunk);
        }
      },
      values);
  if (!status.ok()) return status;
  chunk->compressed_bytes = static_cast<int64_t>(pages_.size());
  return std::span<const std::byte>(pages_);
}

template <typename T>
absl::Status ChunkWriter::WriteValues(Layout layout, std::span<const T> values,
                                      Chunk* chunk) {
  const auto [min, max] = Range(values);
  chunk->min = ValueBytes(min);
  chunk->max = ValueBytes(max);
  encoded_.resize(std::max(encoded_.size(), MaxEncodedSize<T>(values.size())));

  if (layout == Layout::kDictionary || layout == Layout::kDictionaryBytes) {
    if (min == max) {
      const size_t size = EncodePlain(std::span<const T>(&min, 1), encoded_);
      return WriteConstant(size, values.size(), layout, chunk);
    }
    if (dictionary_.Build(values, min, max)) {
      const std::vector<T> distinct(dictionary_.distinct().begin(),
                                    dictionary_.distinct().end());
      const size_t size = EncodePlain(std::span<const T>(distinct), encoded_);
      FATHOM_RETURN_IF_ERROR(WriteDictionary(size, distinct.size(), chunk));
      return WriteIndices(dictionary_.indices(), distinct.size(), layout,
                          chunk);
    }
    layout = Layout::kDelta;
  }
  if (layout == Layout::kPlain) {
    return WriteData(EncodePlain(values, encoded_), chunk);
  }
  chunk->encoding = Encoding::kDeltaBinaryPacked;
  return WriteData(EncodeDelta(values, encoded_), chunk);
}

absl::Status ChunkWriter::WriteDoubles(std::span<const double> values,
                                       Chunk* chunk) {
  // Of numbers that are none nothing can be said in order.
  const bool ordered = std::none_of(
      values.begin(), values.end(),
      [](double value) { return std::isnan(value) || value == 0; });
  if (ordered) {
    const auto [min, max] = Range(values);
    chunk->min = ValueBytes(min);
    chunk->max = ValueBytes(max);
  }
  const auto bytes = std::as_bytes(values);
  encoded_.assign(bytes.begin(), bytes.end());
  return WriteData(bytes.size(), chunk);
}

absl::Status ChunkWriter::WriteAddresses(std::span<const AddressBytes> values,
                                         Chunk* chunk) {
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  chunk->min = BytesOf(*min);
  chunk->max = BytesOf(*max);
  if (Number(values, numbered_)) return WriteNumbered(&AppendAddress, chunk);
  const auto bytes = std::as_bytes(values);
  encoded_.assign(bytes.begin(), bytes.end());
  return WriteData(bytes.size(), chunk);
}

absl::Status ChunkWriter::WriteStrings(const Strings& values, Chunk* chunk) {
  const auto distinct = values.distinct();
  const auto [min, max] = std::minmax_element(distinct.begin(), distinct.end());
  chunk->min = *min;
  chunk->max = *max;
  if (distinct.size() == 1) {
    encoded_.clear();
    AppendString(distinct[0], encoded_);
    const size_t size = encoded_.size();
    encoded_.resize(std::max(size, MaxEncodedSize<uint32_t>(64)));
    return WriteConstant(size, values.size(), Layout::kDictionary, chunk);
  }
  if (Number(values, numbered_)) return WriteNumbered(&AppendString, chunk);
  encoded_.clear();
  for (size_t i = 0; i < values.size(); ++i) AppendString(values[i], encoded_);
  return WriteData(encoded_.size(), chunk);
}

absl::Status ChunkWriter::WriteNumbered(void (*append)(std::string_view,
                                                       std::vector<std::byte>&),
                                        Chunk* chunk) {
  encoded_.clear();
  for (const std::string_view value : numbered_.distinct) {
    append(value, encoded_);
  }
  const size_t entries = numbered_.distinct.size();
  FATHOM_RETURN_IF_ERROR(WriteDictionary(encoded_.size(), entries, chunk));
  encoded_.resize(std::max(encoded_.size(),
                           MaxEncodedSize<uint32_t>(numbered_.indices.size())));
  return WriteIndices(numbered_.indices, entries, Layout::kDictionary, chunk);
}

// Most columns of a row group of hops are all one value, so this is quick.
absl::Status ChunkWriter::WriteConstant(size_t size, size_t rows, Layout layout,
                                        Chunk* chunk) {
  FATHOM_RETURN_IF_ERROR(WriteDictionary(size, 1, chunk));
  return WriteData(EncodeZeroIndices(rows, IndexWidth(1, layout), encoded_),
                   chunk);
}

absl::Status ChunkWriter::WriteDictionary(size_t size, size_t entries,
                                          Chunk* chunk) {
  chunk->encoding = Encoding::kRleDictionary;
  chunk->dictionary_offset = chunk->data_offset;
  FATHOM_RETURN_IF_ERROR(AppendPage(
      size,
      {.type = PageType::kDictionary, .values = static_cast<int64_t>(entries)},
      chunk));
  chunk->data_offset += static_cast<int64_t>(pages_.size());
  return absl::OkStatus();
}

absl::Status ChunkWriter::WriteIndices(std::span<const uint32_t> indices,
                                       size_t entries, Layout layout,
                                       Chunk* chunk) {
  return WriteData(
      EncodeIndices(indices, IndexWidth(entries, layout), encoded_), chunk);
}

absl::Status ChunkWriter::WriteData(size_t size, Chunk* chunk) {
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
