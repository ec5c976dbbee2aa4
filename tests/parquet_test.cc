#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "src/dataset/parquet/metadata.h"
#include "src/dataset/parquet/pages.h"
#include "src/dataset/parquet/reader.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/parquet/writer.h"
#include "tests/temporary_directory.h"

namespace fathom::parquet {
namespace {

constexpr Column kColumns[] = {
    {"tiny", ColumnType::kUint8, Layout::kDictionary},
    {"small", ColumnType::kUint16, Layout::kDictionaryBytes},
    {"plain", ColumnType::kUint32, Layout::kPlain},
    {"delta", ColumnType::kUint32, Layout::kDelta},
    {"wide", ColumnType::kUint64, Layout::kDictionary},
    {"wide_delta", ColumnType::kUint64, Layout::kDelta},
    {"constant", ColumnType::kUint8, Layout::kDictionaryBytes},
};
constexpr Schema kSchema = {kColumns, 0};

// Rows that are new in each row group; "wide" outgrows its dictionary if there
// are enough of them.
std::vector<Values> MakeRowGroup(size_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Values> columns;
  for (const Column& column : kColumns) {
    Values values = MakeValues(column.type);
    std::visit(
        [&](auto& vector) {
          for (size_t i = 0; i < rows; ++i) {
            vector.push_back(random() & MaxValue(column.type));
          }
          if (&column == &kColumns[6]) {
            std::fill(vector.begin(), vector.end(), 11);
          }
        },
        values);
    columns.push_back(std::move(values));
  }
  return columns;
}

void WriteFileOf(const std::string& path, const std::vector<size_t>& groups) {
  auto writer = Writer::Create(path, kSchema);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto status = (*writer)->WriteRowGroup(MakeRowGroup(groups[i], i));
    ASSERT_TRUE(status.ok()) << status;
  }
  const auto status = (*writer)->Finish({{"key", "value"}, {"empty", ""}});
  ASSERT_TRUE(status.ok()) << status;
}

TEST(File, ReadsWhatItWrote) {
  const std::vector<std::vector<size_t>> shapes = {
      {}, {1}, {2, 1, 300}, {kRowGroupRows}, {kRowGroupRows, 1, 5000}};
  for (const auto& groups : shapes) {
    const TemporaryDirectory directory;
    const std::string path = directory.Path("file");
    WriteFileOf(path, groups);
    auto reader = Reader::Open(path, kSchema);
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_EQ((*reader)->row_groups(), groups.size());
    uint64_t rows = 0;
    std::vector<Values> columns;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto status = (*reader)->ReadRowGroup(i, &columns);
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_EQ(columns, MakeRowGroup(groups[i], i));
      rows += groups[i];
    }
    EXPECT_EQ((*reader)->rows(), rows);
    ASSERT_NE((*reader)->Find("key"), nullptr);
    EXPECT_EQ(*(*reader)->Find("key"), "value");
    EXPECT_EQ(*(*reader)->Find("empty"), "");
    EXPECT_EQ((*reader)->Find("none"), nullptr);
  }
}

TEST(File, HasTheSameBytesForTheSameRows) {
  const TemporaryDirectory directory;
  WriteFileOf(directory.Path("a"), {1000, 20});
  WriteFileOf(directory.Path("b"), {1000, 20});
  EXPECT_EQ(ReadFile(directory.Path("a")), ReadFile(directory.Path("b")));
}

TEST(File, SaysTheTruthInItsStatistics) {
  const TemporaryDirectory directory;
  WriteFileOf(directory.Path("file"), {5000});
  auto reader = Reader::Open(directory.Path("file"), kSchema);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto columns = MakeRowGroup(5000, 0);
  const RowGroupMetadata& group = (*reader)->metadata().row_groups[0];
  for (size_t i = 0; i < columns.size(); ++i) {
    std::visit(
        [&](const auto& values) {
          EXPECT_EQ(group.chunks[i].min,
                    *std::min_element(values.begin(), values.end()));
          EXPECT_EQ(group.chunks[i].max,
                    *std::max_element(values.begin(), values.end()));
        },
        columns[i]);
    EXPECT_EQ(group.chunks[i].nulls, 0);
    EXPECT_EQ(group.chunks[i].values, 5000);
  }
}

TEST(File, IsNotOverwritten) {
  const TemporaryDirectory directory;
  WriteFile(directory.Path("file"), "mine");
  EXPECT_FALSE(Writer::Create(directory.Path("file"), kSchema).ok());
  EXPECT_EQ(ReadFile(directory.Path("file")), "mine");
}

TEST(File, OfAnotherSchemaIsRefusedByName) {
  const TemporaryDirectory directory;
  WriteFileOf(directory.Path("file"), {3});
  constexpr Column kOther[] = {{"tiny", ColumnType::kUint8, Layout::kPlain},
                               {"small", ColumnType::kUint32, Layout::kPlain}};
  const auto reader = Reader::Open(directory.Path("file"), {kOther, 0});
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.status().message().find(directory.Path("file")),
            std::string::npos)
      << reader.status();
}

TEST(File, ErrorsNameRowGroupAndColumn) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("file");
  WriteFileOf(path, {100, 100});
  auto reader = Reader::Open(path, kSchema);
  ASSERT_TRUE(reader.ok());
  const Chunk& chunk = (*reader)->metadata().row_groups[1].chunks[3];
  std::string bytes = ReadFile(path);
  bytes[static_cast<size_t>(chunk.offset() + chunk.compressed_bytes - 1)] ^= 1;
  WriteFile(path, bytes);
  std::vector<Values> columns;
  reader = Reader::Open(path, kSchema);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->ReadRowGroup(0, &columns).ok());
  const auto status = (*reader)->ReadRowGroup(1, &columns);
  for (const char* part :
       {path.c_str(), "row group 1", "column \"delta\"", "checksum"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
}

// Chunks of which everything is right but one number in the metadata.
TEST(Chunk, IsHeldAgainstItsMetadata) {
  auto writer = ChunkWriter::Make();
  auto reader = ChunkReader::Make();
  ASSERT_TRUE(writer.ok() && reader.ok());
  const Values values = std::vector<uint32_t>{5, 6, 7, 200};
  const Column column = {"c", ColumnType::kUint8, Layout::kDictionary};
  Chunk chunk;
  const auto written = writer->Write(column, values, 4, &chunk);
  ASSERT_TRUE(written.ok());
  Values out;
  EXPECT_TRUE(reader->Read(*written, column, chunk, &out).ok());
  EXPECT_EQ(out, values);
  const auto refuses = [&](auto change) {
    Chunk wrong = chunk;
    change(wrong);
    return !reader->Read(*written, column, wrong, &out).ok();
  };
  EXPECT_TRUE(refuses([](Chunk& c) { c.min = 4; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.max = 201; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.nulls = 1; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.values = 3; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.values = 5; }));
  EXPECT_TRUE(refuses([](Chunk& c) { ++c.data_offset; }));
  EXPECT_TRUE(refuses([](Chunk& c) { ++c.uncompressed_bytes; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.encoding = Encoding::kPlain; }));
}

TEST(Chunk, HoldsNoValueTooWideForItsType) {
  auto writer = ChunkWriter::Make();
  auto reader = ChunkReader::Make();
  ASSERT_TRUE(writer.ok() && reader.ok());
  const Values values = std::vector<uint32_t>{5, 256};
  Chunk chunk;
  const auto written = writer->Write({"c", ColumnType::kUint16, Layout::kDelta},
                                     values, 4, &chunk);
  ASSERT_TRUE(written.ok());
  Values out;
  EXPECT_TRUE(
      reader->Read(*written, {"c", ColumnType::kUint16}, chunk, &out).ok());
  EXPECT_FALSE(
      reader->Read(*written, {"c", ColumnType::kUint8}, chunk, &out).ok());
}

}  // namespace
}  // namespace fathom::parquet
