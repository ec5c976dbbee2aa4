#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/pages.h"

namespace fathom::parquet {
namespace {

// The statistics must be true: others prune by them, and they are the only
// check on values that a damaged footer may still be measured against.
absl::Status CheckRange(std::string_view min, std::string_view max,
                        const Chunk& chunk) {
  if (!chunk.ranged || (min == chunk.min && max == chunk.max)) {
    return absl::OkStatus();
  }
  const auto hex = [](std::string_view bytes) {
    return absl::BytesToHexString(
        absl::string_view(bytes.data(), std::min<size_t>(bytes.size(), 32)));
  };
  return absl::DataLossError(absl::StrCat(
      "values from ", hex(min), " to ", hex(max),
      " where the footer says from ", hex(chunk.min), " to ", hex(chunk.max)));
}

template <typename T>
absl::Status CheckIntegers(const std::vector<T>& values, ColumnType type,
                           const Chunk& chunk) {
  const auto [min, max] = Range(std::span<const T>(values));
  if (max > MaxValue(type)) {
    return absl::DataLossError(
        absl::StrCat("the value ", max, " in ", BitWidth(type), " bits"));
  }
  return CheckRange(ValueBytes(min), ValueBytes(max), chunk);
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
  if (chunk.nulls != 0) {
    return absl::DataLossError(absl::StrCat(chunk.nulls, " nulls"));
  }
  unpacked_ = 0;
  return std::visit(
      [&](auto& vector) {
        using T = std::decay_t<decltype(vector)>;
        if constexpr (std::is_same_v<T, Strings>) {
          return ReadStrings(bytes, chunk, &vector);
        } else if constexpr (std::is_same_v<T, std::vector<AddressBytes>>) {
          return ReadAddresses(bytes, chunk, &vector);
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          return ReadDoubles(bytes, chunk, &vector);
        } else {
          FATHOM_RETURN_IF_ERROR(ReadValues(bytes, chunk, &vector));
          return CheckIntegers(vector, column.type, chunk);
        }
      },
      *values);
}

template <typename T>
absl::Status ChunkReader::ReadValues(std::span<const std::byte> bytes,
                                     const Chunk& chunk,
                                     std::vector<T>* values) {
  const auto count = static_cast<size_t>(chunk.values);
  std::vector<T> dictionary;
  if (chunk.encoding == Encoding::kRleDictionary) {
    FATHOM_ASSIGN_OR_RETURN(
        const size_t entries,
        NextDictionary(&bytes, chunk, kMaxDictionary * sizeof(T)));
    dictionary.resize(entries);
    FATHOM_RETURN_IF_ERROR(DecodePlain(encoded_, std::span<T>(dictionary)));
  }
  FATHOM_RETURN_IF_ERROR(NextData(&bytes, chunk, MaxEncodedSize<T>(count)));
  values->resize(count);
  switch (chunk.encoding) {
    case Encoding::kDeltaBinaryPacked:
      return DecodeDelta(encoded_, std::span<T>(*values));
    case Encoding::kRleDictionary:
      break;
    default:
      return DecodePlain(encoded_, std::span<T>(*values));
  }
  FATHOM_RETURN_IF_ERROR(ReadIndices(dictionary.size(), chunk));
  for (size_t i = 0; i < count; ++i) (*values)[i] = dictionary[indices_[i]];
  return absl::OkStatus();
}

absl::Status ChunkReader::ReadDoubles(std::span<const std::byte> bytes,
                                      const Chunk& chunk,
                                      std::vector<double>* values) {
  const auto count = static_cast<size_t>(chunk.values);
  if (chunk.encoding != Encoding::kPlain) {
    return absl::DataLossError("doubles in an encoding that is not PLAIN");
  }
  FATHOM_RETURN_IF_ERROR(NextData(&bytes, chunk, count * sizeof(double)));
  std::vector<uint64_t> bits(count);
  FATHOM_RETURN_IF_ERROR(DecodePlain(encoded_, std::span<uint64_t>(bits)));
  values->resize(count);
  std::memcpy(values->data(), bits.data(), count * sizeof(double));
  if (chunk.min.empty() && chunk.max.empty()) return absl::OkStatus();
  const auto [min, max] = Range(std::span<const double>(*values));
  return CheckRange(ValueBytes(min), ValueBytes(max), chunk);
}

absl::StatusOr<std::vector<std::string>> ChunkReader::ReadBytes(
    std::span<const std::byte> bytes, const Chunk& chunk, Decode decode) {
  const auto count = static_cast<size_t>(chunk.values);
  const auto copy = [&](size_t entries) {
    std::vector<std::string_view> views(entries);
    const absl::Status status = decode(encoded_, views);
    if (!status.ok()) return absl::StatusOr<std::vector<std::string>>(status);
    return absl::StatusOr<std::vector<std::string>>(
        std::vector<std::string>(views.begin(), views.end()));
  };
  if (chunk.encoding == Encoding::kPlain) {
    FATHOM_RETURN_IF_ERROR(NextData(&bytes, chunk, kMaxStringPage));
    indices_.resize(count);
    std::iota(indices_.begin(), indices_.end(), 0);
    return copy(count);
  }
  if (chunk.encoding != Encoding::kRleDictionary) {
    return absl::DataLossError("bytes in an encoding of numbers");
  }
  FATHOM_ASSIGN_OR_RETURN(const size_t entries,
                          NextDictionary(&bytes, chunk, kMaxStringPage));
  FATHOM_ASSIGN_OR_RETURN(auto dictionary, copy(entries));
  FATHOM_RETURN_IF_ERROR(
      NextData(&bytes, chunk, MaxEncodedSize<uint32_t>(count)));
  FATHOM_RETURN_IF_ERROR(ReadIndices(entries, chunk));
  return dictionary;
}

absl::Status ChunkReader::ReadAddresses(std::span<const std::byte> bytes,
                                        const Chunk& chunk,
                                        std::vector<AddressBytes>* values) {
  FATHOM_ASSIGN_OR_RETURN(const auto distinct,
                          ReadBytes(bytes, chunk, &parquet::ReadAddresses));
  values->resize(indices_.size());
  for (size_t i = 0; i < indices_.size(); ++i) {
    std::memcpy((*values)[i].data(), distinct[indices_[i]].data(),
                sizeof(AddressBytes));
  }
  const auto [min, max] = std::minmax_element(values->begin(), values->end());
  return CheckRange(BytesOf(*min), BytesOf(*max), chunk);
}

absl::Status ChunkReader::ReadStrings(std::span<const std::byte> bytes,
                                      const Chunk& chunk, Strings* values) {
  FATHOM_ASSIGN_OR_RETURN(auto distinct,
                          ReadBytes(bytes, chunk, &parquet::ReadStrings));
  const auto [min, max] = std::minmax_element(distinct.begin(), distinct.end());
  FATHOM_RETURN_IF_ERROR(CheckRange(*min, *max, chunk));
  *values = Strings(std::move(distinct), indices_);
  return absl::OkStatus();
}

absl::Status ChunkReader::ReadIndices(size_t entries, const Chunk& chunk) {
  indices_.resize(static_cast<size_t>(chunk.values));
  return DecodeIndices(encoded_, static_cast<uint32_t>(entries), indices_);
}

absl::StatusOr<size_t> ChunkReader::NextDictionary(
    std::span<const std::byte>* bytes, const Chunk& chunk, size_t most) {
  const size_t before = bytes->size();
  FATHOM_ASSIGN_OR_RETURN(const PageHeader page,
                          NextPage(bytes, PageType::kDictionary, most));
  if (page.values < 1 || page.values > static_cast<int64_t>(kMaxDictionary) ||
      page.encoding != Encoding::kPlain) {
    return absl::DataLossError(absl::StrCat("a dictionary of ", page.values,
                                            " values in encoding ",
                                            static_cast<int>(page.encoding)));
  }
  const auto size = static_cast<int64_t>(before - bytes->size());
  if (chunk.data_offset - chunk.dictionary_offset != size) {
    return absl::DataLossError(
        absl::StrCat("a dictionary of ", size, " bytes from ",
                     chunk.dictionary_offset, " to ", chunk.data_offset));
  }
  return static_cast<size_t>(page.values);
}

absl::Status ChunkReader::NextData(std::span<const std::byte>* bytes,
                                   const Chunk& chunk, size_t most) {
  FATHOM_ASSIGN_OR_RETURN(const PageHeader page,
                          NextPage(bytes, PageType::kData, most));
  if (page.values != chunk.values || page.encoding != chunk.encoding ||
      !bytes->empty() || unpacked_ != chunk.uncompressed_bytes) {
    return absl::DataLossError(absl::StrCat(
        "the data page has ", page.values, " values in encoding ",
        static_cast<int>(page.encoding), " and leaves ", bytes->size(),
        " bytes; with its headers the chunk unpacks to ", unpacked_,
        ": not what the footer says"));
  }
  return absl::OkStatus();
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
