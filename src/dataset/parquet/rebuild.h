#ifndef FATHOM_SRC_DATASET_PARQUET_REBUILD_H_
#define FATHOM_SRC_DATASET_PARQUET_REBUILD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/statusor.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/schema.h"

namespace fathom::parquet {

// The metadata of a file whose footer is lost, read off the headers of its
// pages: all row groups from the first on, up to one whose headers are damaged,
// too. What only a footer knows is not in it: keys, and the ranges of values.
//
// `read_at` gives at most so many bytes of the file, fewer at its end.
FileMetadata RebuildMetadata(
    const Schema& schema,
    const std::function<absl::StatusOr<std::span<const std::byte>>(
        int64_t offset, size_t size)>& read_at);

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_REBUILD_H_
