#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "fathom/dataset.h"
#include "tests/dataset_contents.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

class DamagedDataset : public testing::Test {
 protected:
  void SetUp() override {
    contents_ = MakeContents(12);
    WriteDataset(path_, contents_);
    contents_ = AsStored(contents_);
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("scan");
  Contents contents_;
};

constexpr const char* kFiles[] = {"links.parquet", "gaps.parquet",
                                  "hops.parquet", "manifest.json"};

// In place, since a new file for each of thousands of damages takes long.
TEST_F(DamagedDataset, IsReadRightOrRefusedForEveryFlippedByte) {
  std::mt19937 random(9);
  for (const char* name : kFiles) {
    const std::string file = path_ + "/" + name;
    const std::string bytes = ReadFile(file);
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](size_t i, int byte) {
      out.seekp(static_cast<std::streamoff>(i));
      out.put(static_cast<char>(byte)).flush();
    };
    size_t refused = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (const int flip : {1, 128, static_cast<int>(random() % 255 + 1)}) {
        put(i, bytes[i] ^ flip);
        const auto read = ReadDataset(path_);
        const std::string message(read.status().message());
        refused += read.ok() ? 0 : 1;
        ASSERT_TRUE(read.ok() ? *read == contents_
                              : message.find(path_) != message.npos)
            << name << " byte " << i << " by " << flip << read.status();
      }
      put(i, bytes[i]);
    }
    // Nearly all: what is left is redundant, or of no use to us.
    EXPECT_GT(refused * 10, bytes.size() * 3 * 7) << name;
  }
  EXPECT_TRUE(ReadDataset(path_).ok());
}

TEST_F(DamagedDataset, IsRefusedAtEveryTruncation) {
  for (const char* name : kFiles) {
    const std::string file = path_ + "/" + name;
    const std::string bytes = ReadFile(file);
    for (size_t size = bytes.size(); size-- > 0;) {
      std::filesystem::resize_file(file, size);
      ASSERT_FALSE(ReadDataset(path_).ok()) << name << " of " << size;
    }
    WriteFile(file, bytes);
  }
}

TEST_F(DamagedDataset, IsRefusedWithoutAnyOfItsFiles) {
  for (const char* name : kFiles) {
    const std::string file = path_ + "/" + name;
    const std::string bytes = ReadFile(file);
    std::filesystem::remove(file);
    const auto read = ReadDataset(path_);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.status().message().find(name), std::string::npos);
    WriteFile(file, bytes);
  }
  EXPECT_FALSE(OpenDataset(directory_.Path("none")).ok());
  EXPECT_FALSE(OpenDataset("").ok());
}

TEST_F(DamagedDataset, IsRefusedWithAFileOfAnother) {
  Contents other = MakeContents(12);
  other.manifest = "{\"other\": true}";
  WriteDataset(directory_.Path("other"), other);
  std::filesystem::copy_file(directory_.Path("other/hops.parquet"),
                             path_ + "/hops.parquet",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(ReadDataset(path_).ok());
}

}  // namespace
}  // namespace fathom
