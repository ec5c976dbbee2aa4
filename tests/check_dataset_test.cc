#include "src/dataset/check_dataset.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "src/dataset/parquet/schema.h"
#include "src/dataset/salvage.h"
#include "src/dataset/sealed_manifest.h"
#include "tests/dataset_contents.h"
#include "tests/sanitizers.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

constexpr const char* kTableFiles[] = {"links.parquet", "gaps.parquet",
                                       "hops.parquet"};

void Flip(const std::string& path, size_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ (1 << bit % 8))).flush();
  ASSERT_TRUE(file);
}

class CheckDatasetTest : public testing::TestWithParam<Family> {
 protected:
  void Write(uint32_t targets) {
    contents_ = MakeContents(targets, GetParam());
    WriteDataset(path_, contents_);
    contents_ = AsStored(contents_);
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("scan");
  Contents contents_;
};

INSTANTIATE_TEST_SUITE_P(Families, CheckDatasetTest,
                         testing::Values(Family::kIpv4, Family::kIpv6));

TEST_P(CheckDatasetTest, FindsNothingInWhatWasJustWritten) {
  Write(50);
  const DatasetCheck check = CheckDataset(path_);
  EXPECT_TRUE(check.sealed);
  EXPECT_TRUE(check.damages.empty());
  EXPECT_EQ(check.files, 3U);
  EXPECT_EQ(check.rows, contents_.replies.size() + contents_.links.size());
}

TEST_P(CheckDatasetTest, FindsAFlippedBitAndItsFile) {
  Write(12);
  std::mt19937 random(4);
  for (const char* name : kTableFiles) {
    const std::string file = path_ + "/" + name;
    const size_t bits = 8 * std::filesystem::file_size(file);
    const size_t every = kSanitized ? 80 : 10;
    for (size_t bit = random() % every; bit < bits;
         bit += 1 + random() % (2 * every)) {
      Flip(file, bit);
      const DatasetCheck check = CheckDataset(path_);
      ASSERT_EQ(check.damages.size(), 1U) << name << " bit " << bit;
      ASSERT_EQ(check.damages[0].file, name) << "bit " << bit;
      Flip(file, bit);
    }
  }
  EXPECT_TRUE(CheckDataset(path_).damages.empty());
}

TEST_P(CheckDatasetTest, FindsEveryFlippedBitOfTheManifest) {
  Write(3);
  const std::string file = path_ + "/" + kManifestName;
  const size_t bits = 8 * std::filesystem::file_size(file);
  for (size_t bit = 0; bit < bits; ++bit) {
    Flip(file, bit);
    ASSERT_FALSE(CheckDataset(path_).damages.empty())
        << "bit " << bit << " of " << ReadFile(file);
    Flip(file, bit);
  }
  EXPECT_TRUE(CheckDataset(path_).damages.empty());
}

TEST_P(CheckDatasetTest, MissesNoFile) {
  for (const char* name : kTableFiles) {
    Write(5);
    std::filesystem::remove(path_ + "/" + name);
    const DatasetCheck check = CheckDataset(path_);
    ASSERT_EQ(check.damages.size(), 1U);
    EXPECT_EQ(check.damages[0].file, name);
    std::filesystem::remove_all(path_);
  }
}

TEST(SealedManifest, SplitsToWhatWasJoined) {
  const FileSeal seal{.bytes = 7,
                      .rows = 3,
                      .xxh3 = 0x0123456789abcdef,
                      .row_groups = {{.bytes = 5, .xxh3 = 1}}};
  for (const char* manifest :
       {"{}", "{}\n", "{\n}\n", "{\"a\": 1}", "{\n  \"a\": {\"files\": 2}\n}\n",
        " { \"files \" : [ ] } ", "{\"a\":\"\\n  \\\"files\\\": \"}"}) {
    const SealedManifest sealed = {.manifest = manifest,
                                   .files = {{"x.parquet", seal}}};
    const auto text = JoinManifest(sealed);
    ASSERT_TRUE(text.ok()) << manifest << text.status();
    EXPECT_TRUE(nlohmann::json::parse(*text).contains("files"));
    const auto split = SplitManifest(*text);
    ASSERT_TRUE(split.ok()) << *text << split.status();
    EXPECT_EQ(*split, sealed) << *text;
  }
  EXPECT_FALSE(JoinManifest({.manifest = "[]", .files = {{"x", seal}}}).ok());
  EXPECT_FALSE(
      JoinManifest({.manifest = "{\"files\":1}", .files = {{"x", seal}}}).ok());
}

// Of the hops' row groups, one is lost; of all else nothing.
TEST_P(CheckDatasetTest, SavesAllButTheRowGroupThatIsDamaged) {
  Write(60'000);
  ASSERT_GT(contents_.replies.size(), 2 * parquet::kRowGroupRows);
  const auto sealed = ReadSealedManifest(path_);
  ASSERT_TRUE(sealed.ok());
  const auto& groups = sealed->files.at("hops.parquet").row_groups;
  const uint64_t middle = 4 + groups[0].bytes + groups[1].bytes / 2;
  Flip(path_ + "/hops.parquet", 8 * middle);

  const DatasetCheck check = CheckDataset(path_);
  ASSERT_EQ(check.damages.size(), 1U);
  EXPECT_EQ(check.damages[0].row_group, 1U);

  const std::string to = directory_.Path("saved");
  const auto salvage = SalvageDataset(path_, to);
  ASSERT_TRUE(salvage.ok()) << salvage.status();
  ASSERT_EQ(salvage->lost.size(), 1U);
  EXPECT_EQ(salvage->lost[0].row_group, 1U);
  const auto saved = ReadDataset(to);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->links, contents_.links);
  auto& expected = contents_.replies;
  expected.erase(expected.begin() + parquet::kRowGroupRows,
                 expected.begin() + 2 * parquet::kRowGroupRows);
  EXPECT_EQ(saved->replies, expected);
  EXPECT_TRUE(CheckDataset(to).damages.empty());
}

TEST_P(CheckDatasetTest, SavesAllRowsWithoutTheFooters) {
  Write(60'000);
  for (const char* name : kTableFiles) {
    const std::string file = path_ + "/" + name;
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 9);
  }
  const std::string to = directory_.Path("saved");
  const auto salvage = SalvageDataset(path_, to);
  ASSERT_TRUE(salvage.ok()) << salvage.status();
  EXPECT_EQ(salvage->lost.size(), 3U);  // The footers.
  const auto saved = ReadDataset(to);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->links, contents_.links);
  EXPECT_EQ(saved->replies, contents_.replies);
  const auto manifest = nlohmann::json::parse(saved->manifest);
  EXPECT_EQ(manifest["tool"], "test");
  EXPECT_EQ(manifest["salvaged"]["lost"].size(), 3U);
}

TEST_P(CheckDatasetTest, SavesWhatIsLeftWithoutAFileOrTheManifest) {
  Write(20);
  std::filesystem::remove(path_ + "/links.parquet");
  std::filesystem::remove(path_ + "/" + kManifestName);
  const auto salvage = SalvageDataset(path_, directory_.Path("saved"));
  ASSERT_TRUE(salvage.ok()) << salvage.status();
  const auto saved = ReadDataset(directory_.Path("saved"));
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->replies, contents_.replies);
  EXPECT_EQ(nlohmann::json::parse(saved->manifest)["tool"], "test");
  std::filesystem::remove(path_ + "/hops.parquet");
  std::filesystem::remove(path_ + "/gaps.parquet");
  EXPECT_FALSE(SalvageDataset(path_, directory_.Path("nothing")).ok());
}

// Whatever stands in the files, what is saved is a dataset.
TEST_P(CheckDatasetTest, SavesNoNonsenseOfAnyFlippedBits) {
  Write(12);
  std::mt19937 random(5);
  for (size_t round = 0; round < Scaled(200); ++round) {
    std::filesystem::remove_all(directory_.Path("copy"));
    std::filesystem::copy(path_, directory_.Path("copy"));
    for (const char* name : kTableFiles) {
      const std::string file = directory_.Path("copy/") + name;
      const size_t bits = 8 * std::filesystem::file_size(file);
      for (int flips = 1 + random() % 2; flips > 0; --flips) {
        Flip(file, random() % bits);
      }
    }
    const std::string to = directory_.Path("saved");
    const auto salvage = SalvageDataset(directory_.Path("copy"), to);
    if (!salvage.ok()) continue;
    const auto saved = ReadDataset(to);
    ASSERT_TRUE(saved.ok()) << saved.status();
    if (salvage->lost.empty()) {  // By bits that nobody needs.
      EXPECT_EQ(saved->replies, contents_.replies);
      EXPECT_EQ(saved->links, contents_.links);
    }
    for (const Reply& reply : saved->replies) {
      EXPECT_NE(
          std::find(contents_.replies.begin(), contents_.replies.end(), reply),
          contents_.replies.end());
    }
    std::filesystem::remove_all(to);
  }
}

}  // namespace
}  // namespace fathom
