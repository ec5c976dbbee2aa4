#include "absl/strings/str_cat.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/thrift_compact.h"

// The field numbers are those of parquet.thrift; metadata_writer.cc has the
// names. What is not read here is of no use to us, and is skipped.

namespace fathom::parquet {
namespace {

constexpr int64_t kCodecZstd = 6;

// Reads the sort of integer that `column` is: its width and signedness.
void CheckInteger(ThriftReader& in, const Column& column) {
  int64_t bits = -1;
  bool is_signed = true;
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 1:
        bits = in.Integer();
        break;
      case 2:
        is_signed = in.Bool();
        break;
      default:
        in.Skip();
    }
  }
  if (bits != BitWidth(column.type) || is_signed) {
    in.Fail(absl::StrCat("column \"", column.name, "\" of ", bits,
                         " bits where an unsigned one of ",
                         BitWidth(column.type), " belongs"));
  }
}

// Whether a LogicalType says of the bytes what `column` is.
bool IsMeaning(ThriftReader& in, const Column& column) {
  bool right = false;
  in.Struct();
  while (in.NextField()) {
    if (in.id() == 10 && IsInteger(column.type)) {
      CheckInteger(in, column);
      right = true;
    } else {
      right = right || (in.id() == 1 && column.type == ColumnType::kString);
      in.Skip();
    }
  }
  return right;
}

// Whether columns of this type say more than their physical type.
bool HasMeaning(ColumnType type) {
  return IsInteger(type) || type == ColumnType::kString;
}

// One element of the schema list; the root has no column.
void CheckSchemaElement(ThriftReader& in, const Column* column) {
  bool told = false;
  bool right = true;
  int64_t physical = -1;
  int64_t length = 0;
  std::string_view name;
  int64_t repetition = 0;
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 1:
        physical = in.Integer();
        break;
      case 2:
        length = in.Integer();
        break;
      case 3:
        repetition = in.Integer();
        break;
      case 4:
        name = in.Binary();
        break;
      case 10:
        if (column == nullptr) {
          in.Skip();
          break;
        }
        right = IsMeaning(in, *column);
        told = true;
        break;
      default:
        in.Skip();
    }
  }
  if (column == nullptr) return;
  const bool fixed = column->type == ColumnType::kAddress;
  if (name != column->name || told != HasMeaning(column->type) || !right ||
      repetition != 0 || physical != PhysicalType(column->type) ||
      (fixed && length != sizeof(AddressBytes))) {
    in.Fail(absl::StrCat("a column \"", std::string(name), "\" where \"",
                         column->name, "\" belongs"));
  }
}

void CheckSchema(ThriftReader& in, const Schema& schema) {
  const size_t count = in.List(ThriftType::kStruct);
  if (count != schema.columns.size() + 1) {
    in.Fail(absl::StrCat("a schema of ", count, " elements, not ",
                         schema.columns.size() + 1));
  }
  for (size_t i = 0; i < count && in.ok(); ++i) {
    CheckSchemaElement(in, i == 0 ? nullptr : &schema.columns[i - 1]);
  }
}

void ParseStatistics(ThriftReader& in, Chunk* chunk) {
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 3:
        chunk->nulls = in.Integer();
        break;
      case 5:
        chunk->max = in.Binary();
        break;
      case 6:
        chunk->min = in.Binary();
        break;
      default:
        in.Skip();
    }
  }
}

// The encoding of the values is the last one of the list.
Encoding ParseEncodings(ThriftReader& in) {
  int64_t last = -1;
  const size_t count = in.List(ThriftType::kI32);
  for (size_t i = 0; i < count; ++i) last = in.Integer();
  for (const Encoding known : {Encoding::kPlain, Encoding::kDeltaBinaryPacked,
                               Encoding::kRleDictionary}) {
    if (last == static_cast<int64_t>(known)) return known;
  }
  in.Fail(absl::StrCat("encoding ", last, ", which is not one of ours"));
  return Encoding::kPlain;
}

void CheckPath(ThriftReader& in, const Column& column) {
  const size_t count = in.List(ThriftType::kBinary);
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view name = in.Binary();
    if (count != 1 || name != column.name) {
      in.Fail(absl::StrCat("values of \"", std::string(name), "\" where \"",
                           column.name, "\" belongs"));
    }
  }
}

void ParseChunkMetadata(ThriftReader& in, const Column& column, Chunk* chunk) {
  int64_t codec = -1;
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 2:
        chunk->encoding = ParseEncodings(in);
        break;
      case 3:
        CheckPath(in, column);
        break;
      case 4:
        codec = in.Integer();
        break;
      case 5:
        chunk->values = in.Integer();
        break;
      case 6:
        chunk->uncompressed_bytes = in.Integer();
        break;
      case 7:
        chunk->compressed_bytes = in.Integer();
        break;
      case 9:
        chunk->data_offset = in.Integer();
        break;
      case 11:
        chunk->dictionary_offset = in.Integer();
        break;
      case 12:
        ParseStatistics(in, chunk);
        break;
      default:
        in.Skip();
    }
  }
  if (codec != kCodecZstd) {
    in.Fail(absl::StrCat("codec ", codec, ", which is not zstd"));
  }
}

Chunk ParseChunk(ThriftReader& in, const Column& column) {
  Chunk chunk;
  in.Struct();
  while (in.NextField()) {
    if (in.id() == 3) {
      ParseChunkMetadata(in, column, &chunk);
    } else {
      in.Skip();
    }
  }
  return chunk;
}

void ParseChunks(ThriftReader& in, const Schema& schema,
                 std::vector<Chunk>* chunks) {
  const size_t count = in.List(ThriftType::kStruct);
  if (count != schema.columns.size()) {
    in.Fail(absl::StrCat("a row group of ", count, " columns, not ",
                         schema.columns.size()));
    return;
  }
  chunks->clear();
  chunks->reserve(count);
  for (size_t i = 0; i < count && in.ok(); ++i) {
    chunks->push_back(ParseChunk(in, schema.columns[i]));
  }
}

RowGroupMetadata ParseRowGroup(ThriftReader& in, const Schema& schema) {
  RowGroupMetadata group;
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 1:
        ParseChunks(in, schema, &group.chunks);
        break;
      case 2:
        group.uncompressed_bytes = in.Integer();
        break;
      case 3:
        group.rows = in.Integer();
        break;
      case 5:
        group.offset = in.Integer();
        break;
      case 6:
        group.compressed_bytes = in.Integer();
        break;
      default:
        in.Skip();
    }
  }
  if (group.chunks.empty()) in.Fail("a row group without columns");
  return group;
}

// Grows with what was read, not with what the count promises.
void ParseRowGroups(ThriftReader& in, const Schema& schema,
                    std::vector<RowGroupMetadata>* groups) {
  const size_t count = in.List(ThriftType::kStruct);
  groups->clear();
  for (size_t i = 0; i < count && in.ok(); ++i) {
    groups->push_back(ParseRowGroup(in, schema));
  }
}

void ParseKeyValues(ThriftReader& in, KeyValues* key_values) {
  const size_t count = in.List(ThriftType::kStruct);
  key_values->clear();
  for (size_t i = 0; i < count && in.ok(); ++i) {
    auto& [key, value] = key_values->emplace_back();
    in.Struct();
    while (in.NextField()) {
      switch (in.id()) {
        case 1:
          key = in.Binary();
          break;
        case 2:
          value = in.Binary();
          break;
        default:
          in.Skip();
      }
    }
  }
}

void ParsePageDetails(ThriftReader& in, PageHeader* header) {
  in.Struct();
  while (in.NextField()) {
    switch (in.id()) {
      case 1:
        header->values = in.Integer();
        break;
      case 2:
        header->encoding = static_cast<Encoding>(in.Integer());
        break;
      default:
        in.Skip();
    }
  }
}

}  // namespace

absl::StatusOr<FileMetadata> ParseFooter(std::span<const std::byte> bytes,
                                         const Schema& schema) {
  FileMetadata file;
  ThriftReader in(bytes);
  bool checked = false;
  while (in.NextField()) {
    switch (in.id()) {
      case 2:
        CheckSchema(in, schema);
        checked = true;
        break;
      case 3:
        file.rows = in.Integer();
        break;
      case 4:
        ParseRowGroups(in, schema, &file.row_groups);
        break;
      case 5:
        ParseKeyValues(in, &file.key_values);
        break;
      default:
        in.Skip();
    }
  }
  if (in.ok() && !checked) in.Fail("no schema");
  if (in.ok() && in.position() != bytes.size()) in.Fail("an early end");
  if (!in.ok()) return in.status();
  return file;
}

absl::StatusOr<PageHeader> ParsePageHeader(std::span<const std::byte> bytes,
                                           size_t* size) {
  PageHeader header;
  ThriftReader in(bytes);
  while (in.NextField()) {
    switch (in.id()) {
      case 1:
        header.type = static_cast<PageType>(in.Integer());
        break;
      case 2:
        header.uncompressed_bytes = in.Integer();
        break;
      case 3:
        header.compressed_bytes = in.Integer();
        break;
      case 4:
        header.crc = in.Integer() & 0xffff'ffff;
        break;
      case 5:
      case 7:
        ParsePageDetails(in, &header);
        break;
      default:
        in.Skip();
    }
  }
  if (!in.ok()) return in.status();
  *size = in.position();
  return header;
}

}  // namespace fathom::parquet
