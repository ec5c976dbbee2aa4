// libFuzzer on all that reads Parquet: whole files, and each part behind the
// checksums, which chance would never get through.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_parquet -max_total_time=60
//
// The first byte says which part gets the rest, the next two how.

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "fathom/dataset.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/pages.h"
#include "src/dataset/parquet/reader.h"
#include "src/dataset/tables.h"
#include "tests/fuzz_file.h"

namespace fathom::parquet {
namespace {

using Bytes = std::span<const std::byte>;

void FuzzWhole(Bytes bytes, const Schema& schema) {
  const FuzzFile file(bytes);
  const auto reader = Reader::Open(file.path(), schema);
  if (!reader.ok()) return;
  std::vector<Values> columns;
  for (size_t i = 0; i < (*reader)->row_groups(); ++i) {
    (*reader)->ReadRowGroup(i, &columns).IgnoreError();
  }
}

// As the footer of a file whose row groups are zeros.
void FuzzTail(Bytes footer, const Schema& schema) {
  constexpr size_t kRowGroups = 100;
  const auto magic = std::as_bytes(std::span(kMagic));
  std::vector<std::byte> file(magic.begin(), magic.end());
  file.resize(file.size() + kRowGroups);
  file.insert(file.end(), footer.begin(), footer.end());
  for (int shift = 0; shift < 32; shift += 8) {
    file.push_back(static_cast<std::byte>(footer.size() >> shift));
  }
  file.insert(file.end(), magic.begin(), magic.end());
  FuzzWhole(file, schema);
}

// A footer that can be read can be written and read again, to the same bytes.
void FuzzFooter(Bytes bytes, const Schema& schema) {
  const auto footer = ParseFooter(bytes, schema);
  if (!footer.ok()) return;
  const std::string once = SerializeFooter(*footer, schema);
  const auto again = ParseFooter(std::as_bytes(std::span(once)), schema);
  if (!again.ok() || SerializeFooter(*again, schema) != once) abort();
}

// What can be decoded can be encoded and decoded again, to the same values.
template <typename T>
void FuzzDelta(Bytes bytes, size_t count) {
  std::vector<T> values(count);
  if (!DecodeDelta(bytes, std::span<T>(values)).ok()) return;
  std::vector<std::byte> room(MaxEncodedSize<T>(count));
  const size_t size = EncodeDelta(std::span<const T>(values), room);
  std::vector<T> again(count);
  if (!DecodeDelta(Bytes(room).first(size), std::span<T>(again)).ok() ||
      again != values) {
    abort();
  }
}

void FuzzIndices(Bytes bytes, size_t count, uint32_t limit) {
  std::vector<uint32_t> indices(count);
  if (!DecodeIndices(bytes, limit, indices).ok()) return;
  if (*std::max_element(indices.begin(), indices.end()) >= limit) abort();
}

void FuzzChunk(Bytes bytes, Encoding encoding, int64_t count, ColumnType type) {
  auto reader = ChunkReader::Make();
  if (!reader.ok()) return;
  Chunk chunk;
  chunk.values = count;
  chunk.encoding = encoding;
  chunk.nulls = 0;
  Values values;
  reader->Read(bytes, {"fuzz", type}, chunk, &values).IgnoreError();
}

// Appends a page of `content`, compressed, whose header and checksum are true.
// Returns how many bytes it unpacks to, header and all.
size_t AppendPage(Bytes content, PageHeader header,
                  std::vector<std::byte>& pages) {
  std::vector<std::byte> packed(ZSTD_compressBound(content.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(),
                              content.size(), 1));
  header.uncompressed_bytes = static_cast<int64_t>(content.size());
  header.compressed_bytes = static_cast<int64_t>(packed.size());
  header.crc = static_cast<int64_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(packed.data()), packed.size()));
  const std::string head = SerializePageHeader(header);
  const auto head_bytes = std::as_bytes(std::span(head));
  pages.insert(pages.end(), head_bytes.begin(), head_bytes.end());
  pages.insert(pages.end(), packed.begin(), packed.end());
  return head.size() + content.size();
}

// The contents of pages, past their checksums: a dictionary, if the encoding
// has one, and the data. The first byte says where one ends.
void FuzzPages(Bytes bytes, Encoding encoding, int64_t count, ColumnType type) {
  if (bytes.size() < 2) return;
  const size_t end =
      std::min(bytes.size() - 2, std::to_integer<size_t>(bytes[0]));
  const auto entries = std::to_integer<int64_t>(bytes[1]);
  bytes = bytes.subspan(2);
  std::vector<std::byte> pages;
  Chunk chunk = {.encoding = encoding, .values = count, .nulls = 0};
  chunk.uncompressed_bytes = 0;
  chunk.dictionary_offset = 4;
  if (encoding == Encoding::kRleDictionary) {
    chunk.uncompressed_bytes += static_cast<int64_t>(
        AppendPage(bytes.first(end),
                   {.type = PageType::kDictionary, .values = entries}, pages));
    bytes = bytes.subspan(end);
  }
  chunk.data_offset = 4 + static_cast<int64_t>(pages.size());
  chunk.uncompressed_bytes += static_cast<int64_t>(AppendPage(
      bytes, {.type = PageType::kData, .values = count, .encoding = encoding},
      pages));
  auto reader = ChunkReader::Make();
  if (!reader.ok()) return;
  Values values;
  reader->Read(pages, {"fuzz", type}, chunk, &values).IgnoreError();
}

void FuzzPageHeader(Bytes bytes) {
  size_t size = 0;
  const auto header = ParsePageHeader(bytes, &size);
  if (header.ok() && size > bytes.size()) abort();
}

void Fuzz(Bytes bytes) {
  if (bytes.size() < 3) return;
  const auto part = std::to_integer<unsigned>(bytes[0]);
  const size_t count = std::to_integer<size_t>(bytes[1]) * 3 + 1;
  const auto choice = std::to_integer<unsigned>(bytes[2]);
  const auto values = static_cast<int64_t>(count);
  const Schema schema = SchemaOf(static_cast<Table>(choice / 2 % 3),
                                 static_cast<Family>(choice % 2));
  constexpr ColumnType kTypes[] = {ColumnType::kUint8,  ColumnType::kUint16,
                                   ColumnType::kUint32, ColumnType::kUint64,
                                   ColumnType::kDouble, ColumnType::kAddress,
                                   ColumnType::kString, ColumnType::kBinary};
  constexpr Encoding kEncodings[] = {Encoding::kPlain, Encoding::kRleDictionary,
                                     Encoding::kDeltaBinaryPacked};
  const ColumnType type = kTypes[choice % 8];
  const Encoding encoding = kEncodings[choice / 8 % 3];
  // A copy of its own, so that reads past the end are seen.
  const std::vector<std::byte> copy(bytes.begin() + 3, bytes.end());
  switch (part % 10) {
    case 0:
      return FuzzWhole(copy, schema);
    case 1:
      return FuzzFooter(copy, schema);
    case 2:
      return FuzzDelta<uint32_t>(copy, count);
    case 3:
      return FuzzDelta<uint64_t>(copy, count);
    case 4:
      return FuzzIndices(copy, count, choice * 7 + 1);
    case 5:
      return FuzzPageHeader(copy);
    case 6:
      return FuzzChunk(copy, encoding, values, type);
    case 7:
      return FuzzTail(copy, schema);
    default:
      return FuzzPages(copy, encoding, values, type);
  }
}

}  // namespace
}  // namespace fathom::parquet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::parquet::Fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
