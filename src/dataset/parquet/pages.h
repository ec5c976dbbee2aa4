#ifndef FATHOM_SRC_DATASET_PARQUET_PAGES_H_
#define FATHOM_SRC_DATASET_PARQUET_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/dataset/parquet/byte_values.h"
#include "src/dataset/parquet/dictionary.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/schema.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace fathom::parquet {

// A chunk, which is one column of one row group, to bytes and back: values are
// encoded, compressed, and put behind a header with a checksum.
//
// Both directions keep their buffers between chunks: about 6 MB once a full
// row group went through. Neither is thread-safe.

class ChunkWriter {
 public:
  static absl::StatusOr<ChunkWriter> Make();

  // The pages of `values`, of which there are 1 to kRowGroupRows; valid until
  // the next call. `*chunk` is filled in for a chunk that starts at `offset`.
  absl::StatusOr<std::span<const std::byte>> Write(const Column& column,
                                                   const Values& values,
                                                   int64_t offset,
                                                   Chunk* chunk);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  explicit ChunkWriter(std::unique_ptr<ZSTD_CCtx_s, Free> context)
      : context_(std::move(context)) {}

  template <typename T>
  absl::Status WriteValues(Layout layout, std::span<const T> values,
                           Chunk* chunk);
  absl::Status WriteDoubles(std::span<const double> values, Chunk* chunk);
  absl::Status WriteAddresses(std::span<const AddressBytes> values,
                              Chunk* chunk);
  absl::Status WriteStrings(const Strings& values, Chunk* chunk);
  // The pages of numbered_, whose values `append` encodes.
  absl::Status WriteNumbered(void (*append)(std::string_view,
                                            std::vector<std::byte>&),
                             Chunk* chunk);
  // The pages of so many rows of one value, which is encoded_[0, size).
  absl::Status WriteConstant(size_t size, size_t rows, Layout layout,
                             Chunk* chunk);
  // A page each, of encoded_[0, size) or of indices.
  absl::Status WriteDictionary(size_t size, size_t entries, Chunk* chunk);
  absl::Status WriteIndices(std::span<const uint32_t> indices, size_t entries,
                            Layout layout, Chunk* chunk);
  absl::Status WriteData(size_t size, Chunk* chunk);
  // Compresses encoded_[0, size) to the end of pages_.
  absl::Status AppendPage(size_t size, PageHeader header, Chunk* chunk);

  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  DictionaryBuilder dictionary_;
  Numbered numbered_;
  std::vector<std::byte> encoded_;
  std::vector<std::byte> compressed_;
  std::vector<std::byte> pages_;
};

class ChunkReader {
 public:
  static absl::StatusOr<ChunkReader> Make();

  // Reads what Write() wrote into `*values`. `bytes` may be any bytes at all
  // and `chunk` any numbers, but for 1 <= chunk.values <= kRowGroupRows. Checks
  // everything that the metadata says of the values. Takes memory only for
  // that many values.
  absl::Status Read(std::span<const std::byte> bytes, const Column& column,
                    const Chunk& chunk, Values* values);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  explicit ChunkReader(std::unique_ptr<ZSTD_DCtx_s, Free> context)
      : context_(std::move(context)) {}

  template <typename T>
  absl::Status ReadValues(std::span<const std::byte> bytes, const Chunk& chunk,
                          std::vector<T>* values);
  absl::Status ReadDoubles(std::span<const std::byte> bytes, const Chunk& chunk,
                           std::vector<double>* values);
  // `decode` fills the views of a page of so many values.
  using Decode = absl::Status (*)(std::span<const std::byte>,
                                  std::span<std::string_view>);
  // The distinct values of a chunk of bytes, and indices_ of the rows.
  absl::StatusOr<std::vector<std::string>> ReadBytes(
      std::span<const std::byte> bytes, const Chunk& chunk, Decode decode);
  absl::Status ReadAddresses(std::span<const std::byte> bytes,
                             const Chunk& chunk,
                             std::vector<AddressBytes>* values);
  absl::Status ReadStrings(std::span<const std::byte> bytes, const Chunk& chunk,
                           Strings* values);
  // Take the pages of `chunk` off the front of `*bytes` into encoded_, with at
  // most so many bytes: the dictionary, of which there are so many entries, and
  // the data, behind which nothing may stand.
  absl::StatusOr<size_t> NextDictionary(std::span<const std::byte>* bytes,
                                        const Chunk& chunk, size_t most);
  absl::Status NextData(std::span<const std::byte>* bytes, const Chunk& chunk,
                        size_t most);
  absl::Status ReadIndices(size_t entries, const Chunk& chunk);
  // Takes one page off the front of `*bytes` into encoded_, `most` bytes of
  // content at most. Adds its size to unpacked_.
  absl::StatusOr<PageHeader> NextPage(std::span<const std::byte>* bytes,
                                      PageType type, size_t most);

  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  std::vector<std::byte> room_;
  std::span<const std::byte> encoded_;  // The page read last, in room_.
  std::vector<uint32_t> indices_;
  int64_t unpacked_ = 0;  // Bytes of this chunk so far, with headers.
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_PAGES_H_
