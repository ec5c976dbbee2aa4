#include "src/dataset/parquet/writer.h"

#include <cassert>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom::parquet {

absl::StatusOr<std::unique_ptr<Writer>> Writer::Create(const std::string& path,
                                                       const Schema& schema) {
  FATHOM_ASSIGN_OR_RETURN(ChunkWriter chunks, ChunkWriter::Make());
  FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  std::unique_ptr<Writer> writer(
      new Writer(std::move(file), schema, std::move(chunks)));
  FATHOM_RETURN_IF_ERROR(writer->Write(kMagic));
  writer->metadata_.rows = 0;
  return writer;
}

absl::Status Writer::WriteRowGroup(const std::vector<Values>& columns) {
  assert(columns.size() == schema_.columns.size());
  RowGroupMetadata& group = metadata_.row_groups.emplace_back();
  group.offset = file_.offset();
  group.uncompressed_bytes = 0;
  sealer_.BeginRowGroup();
  for (size_t i = 0; i < columns.size(); ++i) {
    Chunk& chunk = group.chunks.emplace_back();
    FATHOM_ASSIGN_OR_RETURN(
        const auto pages,
        chunks_.Write(schema_.columns[i], columns[i], file_.offset(), &chunk));
    FATHOM_RETURN_IF_ERROR(Write(pages));
    group.uncompressed_bytes += chunk.uncompressed_bytes;
    assert(chunk.values == group.chunks[0].values);
  }
  group.rows = group.chunks[0].values;
  group.compressed_bytes = file_.offset() - group.offset;
  metadata_.rows += group.rows;
  sealer_.EndRowGroup(static_cast<uint64_t>(group.rows));
  return absl::OkStatus();
}

absl::Status Writer::Finish(KeyValues key_values) {
  metadata_.key_values = std::move(key_values);
  const std::string footer = SerializeFooter(metadata_, schema_);
  if (footer.size() > std::numeric_limits<int32_t>::max()) {
    return absl::OutOfRangeError(
        absl::StrCat("write a footer of ", footer.size(), " bytes: too long"));
  }
  const auto size = static_cast<uint32_t>(footer.size());
  char size_bytes[sizeof size];
  std::memcpy(size_bytes, &size, sizeof size);
  FATHOM_RETURN_IF_ERROR(Write(footer));
  FATHOM_RETURN_IF_ERROR(
      Write(std::string_view(size_bytes, sizeof size_bytes)));
  FATHOM_RETURN_IF_ERROR(Write(kMagic));
  return file_.Close();
}

absl::Status Writer::Write(std::span<const std::byte> bytes) {
  sealer_.Add(bytes);
  return file_.Write(bytes);
}

absl::Status Writer::Write(std::string_view text) {
  return Write(std::as_bytes(std::span(text)));
}

}  // namespace fathom::parquet
