#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/pages.h"

namespace fathom::parquet {
namespace {

// The statistics must be true: others prune by them, and they are the only
// check on values that a damaged footer may still be measured against.
template <typename T>
absl::Status CheckValues(const std::vector<T>& values, ColumnType type,
                         const Chunk& chunk) {
  const auto [min, max] = Range(std::span<const T>(values));
  if (max > MaxValue(type)) {
    return absl::DataLossError(
        absl::StrCat("the value ", max, " in ", BitWidth(type), " bits"));
  }
  if (min != chunk.min || max != chunk.max || chunk.nulls != 0) {
    return absl::DataLossError(
        absl::StrCat("values from ", min, " to ", max,
                     " without nulls, where the ", "footer says from ",
                     chunk.min, " to ", chunk.max, " with ", chunk.nulls));
  }
  return absl::OkStatus();
}

}  // namespace

void ChunkReader::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

absl::StatusOr<ChunkReader> ChunkReader::Make() {
  std::unique_ptr<ZSTD_DCtx_s, Free> context(ZSTD_createDCtx());
  if (context == nullptr) {
    return absl::ResourceExhaustedError("make a zstd context: no memory");
  }
  return ChunkReader(std::move(context));
}

absl::Status ChunkReader::Read(std::span<const std::byte> bytes,
                               const Column& column, const Chunk& chunk,
                               Values* values) {
  assert(chunk.values >= 1 &&
         chunk.values <= static_cast<int64_t>(kRowGroupRows));
  // Keeps the memory of the last row group if there is one.
  if (values->index() != MakeValues(column.type).index()) {
    *values = MakeValues(column.type);
  }
  return std::visit(
      [&](auto& vector) {
        FATHOM_RETURN_IF_ERROR(ReadValues(bytes, chunk, &vector));
        return CheckValues(vector, column.type, chunk);
      },
      *values);
}

template <typename T>
absl::Status ChunkReader::ReadValues(std::span<const std::byte> bytes,
                                     const Chunk& chunk,
                                     std::vector<T>* values) {
  const bool has_dictionary = chunk.encoding == Encoding::kRleDictionary;
  const auto count = static_cast<size_t>(chunk.values);
  unpacked_ = 0;
  std::vector<T> dictionary;
  if (has_dictionary) {
    const size_t before = bytes.size();
    FATHOM_RETURN_IF_ERROR(ReadDictionary(&bytes, &dictionary));
    const auto size = static_cast<int64_t>(before - bytes.size());
    if (chunk.data_offset - chunk.dictionary_offset != size) {
      return absl::DataLossError(
          absl::StrCat("a dictionary of ", size, " bytes from ",
                       chunk.dictionary_offset, " to ", chunk.data_offset));
    }
  }
  FATHOM_ASSIGN_OR_RETURN(
      const PageHeader page,
      NextPage(&bytes, PageType::kData, MaxEncodedSize<T>(count)));
  if (page.values != chunk.values || page.encoding != chunk.encoding ||
      !bytes.empty() || unpacked_ != chunk.uncompressed_bytes) {
    return absl::DataLossError(absl::StrCat(
        "the data page has ", page.values, " values in encoding ",
        static_cast<int>(page.encoding), " and leaves ", bytes.size(),
        " bytes; with its headers the chunk unpacks to ", unpacked_,
        ": not what the footer says"));
  }
  values->resize(count);
  switch (chunk.encoding) {
    case Encoding::kDeltaBinaryPacked:
      return DecodeDelta(encoded_, std::span<T>(*values));
    case Encoding::kRleDictionary:
      break;
    default:
      return DecodePlain(encoded_, std::span<T>(*values));
  }
  indices_.resize(count);
  FATHOM_RETURN_IF_ERROR(DecodeIndices(
      encoded_, static_cast<uint32_t>(dictionary.size()), indices_));
  for (size_t i = 0; i < count; ++i) (*values)[i] = dictionary[indices_[i]];
  return absl::OkStatus();
}

template <typename T>
absl::Status ChunkReader::ReadDictionary(std::span<const std::byte>* bytes,
                                         std::vector<T>* dictionary) {
  FATHOM_ASSIGN_OR_RETURN(
      const PageHeader page,
      NextPage(bytes, PageType::kDictionary, kMaxDictionary * sizeof(T)));
  const auto most = static_cast<int64_t>(kMaxDictionary);
  if (page.values < 1 || page.values > most ||
      page.encoding != Encoding::kPlain) {
    return absl::DataLossError(absl::StrCat("a dictionary of ", page.values,
                                            " values in encoding ",
                                            static_cast<int>(page.encoding)));
  }
  dictionary->resize(static_cast<size_t>(page.values));
  return DecodePlain(encoded_, std::span<T>(*dictionary));
}

absl::StatusOr<PageHeader> ChunkReader::NextPage(
    std::span<const std::byte>* bytes, PageType type, size_t most) {
  size_t head = 0;
  FATHOM_ASSIGN_OR_RETURN(const PageHeader page,
                          ParsePageHeader(*bytes, &head));
  const auto left = static_cast<int64_t>(bytes->size() - head);
  if (page.type != type || page.compressed_bytes < 0 ||
      page.compressed_bytes > left || page.uncompressed_bytes < 0 ||
      page.uncompressed_bytes > static_cast<int64_t>(most)) {
    return absl::DataLossError(absl::StrCat(
        "a page of type ", static_cast<int>(page.type), " with ",
        page.compressed_bytes, " bytes that unpack to ",
        page.uncompressed_bytes, ", where type ", static_cast<int>(type),
        " with ", left, " that unpack to ", most, " are the most"));
  }
  const auto packed =
      bytes->subspan(head, static_cast<size_t>(page.compressed_bytes));
  *bytes = bytes->subspan(head + packed.size());
  const auto crc = static_cast<int64_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(packed.data()), packed.size()));
  if (crc != page.crc) {
    return absl::DataLossError(absl::StrFormat(
        "the page's checksum is %08x where %08x was written", crc, page.crc));
  }
  const auto size = static_cast<size_t>(page.uncompressed_bytes);
  room_.resize(std::max(room_.size(), size));
  const size_t result = ZSTD_decompressDCtx(context_.get(), room_.data(), size,
                                            packed.data(), packed.size());
  if (ZSTD_isError(result) != 0 || result != size) {
    return absl::DataLossError(absl::StrCat(
        "unpack a page of ", packed.size(), " bytes to ", size, ": ",
        ZSTD_isError(result) != 0 ? ZSTD_getErrorName(result)
                                  : "it has fewer"));
  }
  unpacked_ += static_cast<int64_t>(head + size);
  encoded_ = std::span(room_).first(size);
  return page;
}

}  // namespace fathom::parquet
