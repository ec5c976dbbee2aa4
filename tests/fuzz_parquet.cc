// libFuzzer on all that reads Parquet: whole files, and each part behind the
// checksums, which chance would never get through.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_parquet -max_total_time=60
//
// The first byte says which part gets the rest.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "fathom/dataset.h"
#include "src/base/unique_fd.h"
#include "src/dataset/parquet/encodings.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/pages.h"
#include "src/dataset/parquet/reader.h"
#include "src/dataset/tables.h"

namespace fathom::parquet {
namespace {

using Bytes = std::span<const std::byte>;

void FuzzFile(Bytes bytes, const Schema& schema) {
  const UniqueFd fd(memfd_create("fuzz", MFD_CLOEXEC));
  if (write(fd.get(), bytes.data(), bytes.size()) !=
      static_cast<ssize_t>(bytes.size())) {
    return;
  }
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  const auto reader = Reader::Open(path, schema);
  if (!reader.ok()) return;
  std::vector<Values> columns;
  for (size_t i = 0; i < (*reader)->row_groups(); ++i) {
    (*reader)->ReadRowGroup(i, &columns).IgnoreError();
  }
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

void FuzzPageHeader(Bytes bytes) {
  size_t size = 0;
  const auto header = ParsePageHeader(bytes, &size);
  if (header.ok() && size > bytes.size()) abort();
}

void Fuzz(Bytes bytes) {
  if (bytes.size() < 2) return;
  const auto part = std::to_integer<unsigned>(bytes[0]);
  const size_t count = std::to_integer<size_t>(bytes[1]) * 3 + 1;
  const Schema schema = SchemaOf(static_cast<Table>(part / 16 % 3),
                                 static_cast<Family>(part / 8 % 2));
  constexpr ColumnType kTypes[] = {ColumnType::kUint16, ColumnType::kAddress,
                                   ColumnType::kString, ColumnType::kDouble};
  const ColumnType type = kTypes[part / 8 % 4];
  // A copy of its own, so that reads past the end are seen.
  const std::vector<std::byte> copy(bytes.begin() + 2, bytes.end());
  switch (part % 8) {
    case 0:
      return FuzzFile(copy, schema);
    case 1:
      return FuzzFooter(copy, schema);
    case 2:
      return FuzzDelta<uint32_t>(copy, count);
    case 3:
      return FuzzDelta<uint64_t>(copy, count);
    case 4:
      return FuzzIndices(copy, count, part / 8 * 7 + 1);
    case 5:
      return FuzzPageHeader(copy);
    case 6:
      return FuzzChunk(copy, Encoding::kRleDictionary,
                       static_cast<int64_t>(count), type);
    default:
      return FuzzChunk(copy, Encoding::kPlain, static_cast<int64_t>(count),
                       type);
  }
}

}  // namespace
}  // namespace fathom::parquet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::parquet::Fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
