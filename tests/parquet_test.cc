#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "src/dataset/parquet/byte_values.h"
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
    {"real", ColumnType::kDouble, Layout::kPlain},
    {"address", ColumnType::kAddress, Layout::kDictionary},
    {"text", ColumnType::kString, Layout::kDictionary},
    {"blob", ColumnType::kBinary, Layout::kDictionary},
};
constexpr Schema kSchema = {kColumns, 0};

// One value of a column, of any that there may be.
uint64_t Draw(std::mt19937_64& random, const Column& column, uint64_t) {
  return &column == &kColumns[6] ? 11 : random() & MaxValue(column.type);
}

uint32_t Draw(std::mt19937_64& random, const Column& column, uint32_t) {
  return static_cast<uint32_t>(Draw(random, column, uint64_t{}));
}

double Draw(std::mt19937_64& random, const Column&, double) {
  return 1 + static_cast<double>(random() % 360'000) / 1000 - 180.5;
}

AddressBytes Draw(std::mt19937_64& random, const Column&, AddressBytes) {
  AddressBytes address{0xfd};
  for (size_t i = 8; i < 16; ++i) address[i] = static_cast<uint8_t>(random());
  return address;
}

// One of few texts, or blobs that are all different.
std::string Draw(std::mt19937_64& random, const Column& column, std::string) {
  const bool text = column.type == ColumnType::kString;
  const uint64_t number = random();
  if (text) return std::string(number % 5, static_cast<char>('a' + number % 3));
  std::string blob(random() % 20 == 0 ? random() % kMaxString : 8, '\0');
  std::memcpy(blob.data(), &number, std::min(blob.size(), sizeof number));
  return blob;
}

// Rows that are new in each row group; "wide", "address" and "blob" outgrow
// their dictionaries if there are enough of them.
std::vector<Values> MakeRowGroup(size_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Values> columns;
  for (const Column& column : kColumns) {
    Values values = MakeValues(column.type);
    std::visit(
        [&](auto& vector) {
          using T = std::decay_t<decltype(vector)>;
          for (size_t i = 0; i < rows; ++i) {
            if constexpr (std::is_same_v<T, Strings>) {
              // Thousands of the long ones would be more than a page holds.
              auto string = Draw(random, column, std::string());
              if (i > 10'000) string.resize(std::min<size_t>(string.size(), 8));
              vector.Add(string);
            } else {
              vector.push_back(Draw(random, column, typename T::value_type{}));
            }
          }
        },
        values);
    columns.push_back(std::move(values));
  }
  return columns;
}

// The least and the greatest of `values` as they stand in a file.
template <typename T>
std::pair<std::string, std::string> RangeOf(const std::vector<T>& values) {
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  if constexpr (std::is_same_v<T, AddressBytes>) {
    return {std::string(BytesOf(*min)), std::string(BytesOf(*max))};
  } else {
    return {ValueBytes(*min), ValueBytes(*max)};
  }
}

std::pair<std::string, std::string> RangeOf(const Strings& values) {
  std::string min = values[0], max = values[0];
  for (size_t i = 0; i < values.size(); ++i) {
    min = std::min(min, values[i]);
    max = std::max(max, values[i]);
  }
  return {min, max};
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
          EXPECT_EQ(group.chunks[i].min, RangeOf(values).first);
          EXPECT_EQ(group.chunks[i].max, RangeOf(values).second);
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
  EXPECT_TRUE(refuses([](Chunk& c) { c.min = ValueBytes(4); }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.max = ValueBytes(201); }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.nulls = 1; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.values = 3; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.values = 5; }));
  EXPECT_TRUE(refuses([](Chunk& c) { ++c.data_offset; }));
  EXPECT_TRUE(refuses([](Chunk& c) { ++c.uncompressed_bytes; }));
  EXPECT_TRUE(refuses([](Chunk& c) { c.encoding = Encoding::kPlain; }));
}

// Any byte of a chunk that is changed is noticed, whatever its type.
TEST(Chunk, OfAnyTypeIsCheckedByteByByte) {
  auto writer = ChunkWriter::Make();
  auto reader = ChunkReader::Make();
  ASSERT_TRUE(writer.ok() && reader.ok());
  const auto columns = MakeRowGroup(40, 5);
  for (size_t i = 0; i < columns.size(); ++i) {
    Chunk chunk;
    const auto written = writer->Write(kColumns[i], columns[i], 4, &chunk);
    ASSERT_TRUE(written.ok()) << written.status();
    Values out;
    ASSERT_TRUE(reader->Read(*written, kColumns[i], chunk, &out).ok());
    ASSERT_EQ(out, columns[i]);
    std::vector<std::byte> bytes(written->begin(), written->end());
    for (std::byte& byte : bytes) {
      byte ^= std::byte{0x10};
      const auto status = reader->Read(bytes, kColumns[i], chunk, &out);
      // A header may say the same in other words.
      EXPECT_TRUE(!status.ok() || out == columns[i]);
      byte ^= std::byte{0x10};
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + size);
      EXPECT_FALSE(reader->Read(cut, kColumns[i], chunk, &out).ok());
    }
  }
}

// A page may have a true checksum and yet lie about the lengths within.
TEST(Strings, AreReadOnlyWhole) {
  std::vector<std::byte> page;
  AppendString("router", page);
  AppendString("", page);
  std::vector<std::string_view> values(2);
  ASSERT_TRUE(ReadStrings(page, values).ok());
  EXPECT_EQ(values[0], "router");
  EXPECT_EQ(values[1], "");
  for (size_t size = 0; size < page.size(); ++size) {
    EXPECT_FALSE(ReadStrings(std::span(page).first(size), values).ok());
  }
  page.push_back(std::byte{0});
  EXPECT_FALSE(ReadStrings(page, values).ok());
  page.pop_back();
  page[3] = std::byte{0xff};
  EXPECT_FALSE(ReadStrings(page, values).ok());
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
