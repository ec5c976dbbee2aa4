#ifndef FATHOM_SRC_DATASET_PARQUET_METADATA_H_
#define FATHOM_SRC_DATASET_PARQUET_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/dataset/parquet/schema.h"

namespace fathom::parquet {

// The metadata of a Parquet file: its footer and its page headers, both ways.
//
// Parsing takes any bytes. It checks what can be known from the schema alone;
// whether the numbers fit the file and its values is the reader's to check.
// Numbers that a file does not give are -1, which no such check lets through.

inline constexpr std::string_view kMagic = "PAR1";

// Parquet's own numbers.
enum class Encoding : int32_t {
  kPlain = 0,
  kRle = 3,
  kDeltaBinaryPacked = 5,
  kRleDictionary = 8,
};
// How Parquet stores the values of a column.
int32_t PhysicalType(ColumnType type);

enum class PageType : int32_t { kData = 0, kDictionary = 2 };

// One column of one row group: an optional dictionary page, then one data page.
struct Chunk {
  Encoding encoding = Encoding::kPlain;
  int64_t values = -1;
  int64_t uncompressed_bytes = -1;  // Both with page headers.
  int64_t compressed_bytes = -1;
  int64_t dictionary_offset = -1;  // -1 if there is none.
  int64_t data_offset = -1;
  int64_t nulls = -1;
  bool ranged = true;  // False: min and max are not known.
  // The least and the greatest value as they stand in the file; both empty if
  // the chunk does not tell.
  std::string min{};
  std::string max{};

  int64_t offset() const {
    return dictionary_offset >= 0 ? dictionary_offset : data_offset;
  }
};

struct RowGroupMetadata {
  int64_t rows = -1;
  int64_t uncompressed_bytes = -1;
  int64_t compressed_bytes = -1;
  int64_t offset = -1;
  std::vector<Chunk> chunks;
};

using KeyValues = std::vector<std::pair<std::string, std::string>>;

struct FileMetadata {
  int64_t rows = -1;
  std::vector<RowGroupMetadata> row_groups;
  KeyValues key_values;
};

std::string SerializeFooter(const FileMetadata& file, const Schema& schema);

// Fails unless the columns are those of `schema`.
absl::StatusOr<FileMetadata> ParseFooter(std::span<const std::byte> bytes,
                                         const Schema& schema);

struct PageHeader {
  PageType type = PageType::kData;
  int64_t uncompressed_bytes = -1;
  int64_t compressed_bytes = -1;
  int64_t crc = -1;  // Of the page as compressed, 32 bits.
  int64_t values = -1;
  Encoding encoding = Encoding::kPlain;
};

std::string SerializePageHeader(const PageHeader& header);

// Reads a header off the front of `bytes`; `*size` is how long it is.
absl::StatusOr<PageHeader> ParsePageHeader(std::span<const std::byte> bytes,
                                           size_t* size);

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_METADATA_H_
