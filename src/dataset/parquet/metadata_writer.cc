#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/thrift_compact.h"

// The field numbers are those of parquet.thrift, with their names beside them.

namespace fathom::parquet {
namespace {

constexpr int32_t kTypeInt32 = 1;
constexpr int32_t kTypeInt64 = 2;
constexpr int32_t kTypeDouble = 5;
constexpr int32_t kTypeBytes = 6;
constexpr int32_t kTypeFixedBytes = 7;
constexpr int32_t kConvertedUtf8 = 0;
constexpr int32_t kConvertedUint8 = 11;
constexpr int32_t kRequired = 0;
constexpr int32_t kCodecZstd = 6;

// What the bytes mean, twice: readers from before 2018 know only the first.
void PutMeaning(ColumnType type, ThriftWriter& out) {
  if (type == ColumnType::kString) {
    out.I32(6, kConvertedUtf8);  // converted_type
    out.Struct(10);              // logicalType
    out.Struct(1);               // STRING
    out.End();
    out.End();
  }
  if (!IsInteger(type)) return;
  out.I32(6, kConvertedUint8 + static_cast<int32_t>(type));  // converted_type
  out.Struct(10);                                            // logicalType
  out.Struct(10);                                            // INTEGER
  out.Byte(1, static_cast<int8_t>(BitWidth(type)));          // bitWidth
  out.Bool(2, false);                                        // isSigned
  out.End();
  out.End();
}

void PutColumn(const Column& column, ThriftWriter& out) {
  out.StructElement();
  out.I32(1, PhysicalType(column.type));  // type
  if (column.type == ColumnType::kAddress) {
    out.I32(2, sizeof(AddressBytes));  // type_length
  }
  out.I32(3, kRequired);       // repetition_type
  out.Binary(4, column.name);  // name
  PutMeaning(column.type, out);
  out.End();
}

// Only max_value and min_value: the older `max` and `min` are signed.
void PutStatistics(const Chunk& chunk, ThriftWriter& out) {
  out.Struct(12);           // statistics
  out.I64(3, chunk.nulls);  // null_count
  if (!chunk.max.empty() || !chunk.min.empty()) {
    out.Binary(5, chunk.max);  // max_value
    out.Binary(6, chunk.min);  // min_value
  }
  out.End();
}

void PutChunk(const Chunk& chunk, const Column& column, ThriftWriter& out) {
  const bool dictionary = chunk.encoding == Encoding::kRleDictionary;
  out.StructElement();
  out.I64(2, 0);                                      // file_offset: unused
  out.Struct(3);                                      // meta_data
  out.I32(1, PhysicalType(column.type));              // type
  out.List(2, ThriftType::kI32, dictionary ? 2 : 1);  // encodings
  if (dictionary) out.I32Element(static_cast<int32_t>(Encoding::kPlain));
  out.I32Element(static_cast<int32_t>(chunk.encoding));
  out.List(3, ThriftType::kBinary, 1);  // path_in_schema
  out.BinaryElement(column.name);
  out.I32(4, kCodecZstd);                // codec
  out.I64(5, chunk.values);              // num_values
  out.I64(6, chunk.uncompressed_bytes);  // total_uncompressed_size
  out.I64(7, chunk.compressed_bytes);    // total_compressed_size
  out.I64(9, chunk.data_offset);         // data_page_offset
  if (dictionary)
    out.I64(11, chunk.dictionary_offset);  // dictionary_page_offset
  PutStatistics(chunk, out);
  out.End();
  out.End();
}

void PutRowGroup(const RowGroupMetadata& group, const Schema& schema,
                 ThriftWriter& out) {
  out.StructElement();
  out.List(1, ThriftType::kStruct, group.chunks.size());  // columns
  for (size_t i = 0; i < group.chunks.size(); ++i) {
    PutChunk(group.chunks[i], schema.columns[i], out);
  }
  out.I64(2, group.uncompressed_bytes);             // total_byte_size
  out.I64(3, group.rows);                           // num_rows
  out.List(4, ThriftType::kStruct, schema.sorted);  // sorting_columns
  for (size_t i = 0; i < schema.sorted; ++i) {
    out.StructElement();
    out.I32(1, static_cast<int32_t>(i));  // column_idx
    out.Bool(2, false);                   // descending
    out.Bool(3, false);                   // nulls_first
    out.End();
  }
  out.I64(5, group.offset);            // file_offset
  out.I64(6, group.compressed_bytes);  // total_compressed_size
  out.End();
}

void PutSchema(const Schema& schema, ThriftWriter& out) {
  out.List(2, ThriftType::kStruct, schema.columns.size() + 1);  // schema
  out.StructElement();
  out.Binary(4, "schema");                                  // name
  out.I32(5, static_cast<int32_t>(schema.columns.size()));  // num_children
  out.End();
  for (const Column& column : schema.columns) PutColumn(column, out);
}

void PutKeyValues(const KeyValues& key_values, ThriftWriter& out) {
  out.List(5, ThriftType::kStruct, key_values.size());  // key_value_metadata
  for (const auto& [key, value] : key_values) {
    out.StructElement();
    out.Binary(1, key);    // key
    out.Binary(2, value);  // value
    out.End();
  }
}

// Without column orders readers may not trust min_value and max_value.
void PutColumnOrders(const Schema& schema, ThriftWriter& out) {
  out.List(7, ThriftType::kStruct, schema.columns.size());  // column_orders
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    out.StructElement();
    out.Struct(1);  // TYPE_ORDER
    out.End();
    out.End();
  }
}

}  // namespace

int32_t PhysicalType(ColumnType type) {
  switch (type) {
    case ColumnType::kUint64:
      return kTypeInt64;
    case ColumnType::kDouble:
      return kTypeDouble;
    case ColumnType::kAddress:
      return kTypeFixedBytes;
    case ColumnType::kString:
    case ColumnType::kBinary:
      return kTypeBytes;
    default:
      return kTypeInt32;
  }
}

std::string SerializeFooter(const FileMetadata& file, const Schema& schema) {
  ThriftWriter out;
  out.I32(1, 1);  // version
  PutSchema(schema, out);
  out.I64(3, file.rows);                                     // num_rows
  out.List(4, ThriftType::kStruct, file.row_groups.size());  // row_groups
  for (const RowGroupMetadata& group : file.row_groups) {
    PutRowGroup(group, schema, out);
  }
  PutKeyValues(file.key_values, out);
  out.Binary(6, "fathom version 1 (build 1)");  // created_by
  PutColumnOrders(schema, out);
  return out.Finish();
}

std::string SerializePageHeader(const PageHeader& header) {
  ThriftWriter out;
  out.I32(1, static_cast<int32_t>(header.type));  // type
  out.I32(2, static_cast<int32_t>(
                 header.uncompressed_bytes));  // uncompressed_page_size
  out.I32(3, static_cast<int32_t>(
                 header.compressed_bytes));      // compressed_page_size
  out.I32(4, static_cast<int32_t>(header.crc));  // crc
  const bool data = header.type == PageType::kData;
  out.Struct(data ? 5 : 7);                           // ..._page_header
  out.I32(1, static_cast<int32_t>(header.values));    // num_values
  out.I32(2, static_cast<int32_t>(header.encoding));  // encoding
  if (data) {
    // Of levels that are not there, since nothing is optional or repeated.
    out.I32(3,
            static_cast<int32_t>(Encoding::kRle));  // definition_level_encoding
    out.I32(4,
            static_cast<int32_t>(Encoding::kRle));  // repetition_level_encoding
  } else {
    out.Bool(3, true);  // is_sorted
  }
  out.End();
  return out.Finish();
}

}  // namespace fathom::parquet
