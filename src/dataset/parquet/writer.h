#ifndef FATHOM_SRC_DATASET_PARQUET_WRITER_H_
#define FATHOM_SRC_DATASET_PARQUET_WRITER_H_

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
#include "src/dataset/output_file.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/pages.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/seal.h"

namespace fathom::parquet {

// Writes one Parquet file as a stream of row groups. What it keeps of a row
// group once written is about a hundred bytes a column, for the footer.
//
// The same row groups and metadata give the same bytes. The file is of no use
// before Finish(); that it does not lie about then is the caller's care.
class Writer {
 public:
  // Makes the file `path`. The columns of `schema` must outlive the writer.
  static absl::StatusOr<std::unique_ptr<Writer>> Create(const std::string& path,
                                                        const Schema& schema);

  // Writes a row group of 1 to kRowGroupRows rows.
  // REQUIRES: one vector of values per column, of its type, all equally long.
  absl::Status WriteRowGroup(const std::vector<Values>& columns);

  // Writes the footer, puts all on the disk, and closes the file.
  absl::Status Finish(KeyValues key_values);

  // Of what was written. REQUIRES: Finish() was OK.
  FileSeal seal() const { return sealer_.seal(); }

 private:
  Writer(OutputFile file, const Schema& schema, ChunkWriter chunks)
      : file_(std::move(file)), schema_(schema), chunks_(std::move(chunks)) {}

  absl::Status Write(std::span<const std::byte> bytes);
  absl::Status Write(std::string_view text);

  OutputFile file_;
  Sealer sealer_;
  const Schema schema_;
  ChunkWriter chunks_;
  FileMetadata metadata_;
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_WRITER_H_
