#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/unique_fd.h"
#include "tests/temporary_directory.h"

// What holds for every dataset format there is; and what text formats write.

namespace fathom {
namespace {

// The bytes of a file, or of all files of a directory.
std::string AllBytes(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return ReadFile(path);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.insert(entry.path().filename().string());
  }
  std::string bytes;
  for (const std::string& name : names) {
    bytes.append(name).append(ReadFile(absl::StrCat(path, "/", name)));
  }
  return bytes;
}

class FormatTest
    : public testing::TestWithParam<std::tuple<FormatModule, Table>> {
 protected:
  FormatTest() : replies_(SyntheticScan(5).Hops(0, 700)) {
    links_ = SyntheticScan::Links(replies_);
  }

  auto Create(const std::string& path) const {
    const auto& [module, table] = GetParam();
    return module.create({.path = path, .table = table});
  }

  absl::Status WriteAll(const std::string& path) const {
    auto writer = Create(path);
    if (!writer.ok()) return writer.status();
    auto status = (*writer)->WriteReplies(replies_);
    status.Update((*writer)->WriteLinks(links_));
    status.Update((*writer)->Finish("{}"));
    return status;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("out");
  const std::vector<Reply> replies_;
  std::vector<Link> links_;
};

TEST_P(FormatTest, WritesTheSameBytesAgain) {
  ASSERT_TRUE(WriteAll(path_).ok());
  ASSERT_TRUE(WriteAll(directory_.Path("again")).ok());
  EXPECT_EQ(AllBytes(path_), AllBytes(directory_.Path("again")));
  EXPECT_FALSE(AllBytes(path_).empty());
  EXPECT_EQ(directory_.Entries(), (std::set<std::string>{"again", "out"}));
}

TEST_P(FormatTest, AppearsOnlyWhenFinished) {
  auto writer = Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->WriteReplies(replies_).ok());
  ASSERT_TRUE((*writer)->WriteLinks(links_).ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE((*writer)->Finish("{}").ok());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_P(FormatTest, LeavesNothingUnfinished) {
  auto writer = Create(path_);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->WriteReplies(replies_).ok());
  writer->reset();
  EXPECT_EQ(directory_.Entries(), std::set<std::string>{});
}

TEST_P(FormatTest, TakesNoRowsAtAll) {
  auto writer = Create(path_);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->WriteReplies({}).ok());
  ASSERT_TRUE((*writer)->WriteLinks({}).ok());
  ASSERT_TRUE((*writer)->Finish("{}").ok());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_P(FormatTest, ReplacesNothing) {
  WriteFile(path_, "mine");
  const auto status = WriteAll(path_);
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(ReadFile(path_), "mine");
  EXPECT_EQ(directory_.Entries(), std::set<std::string>{"out"});
}

TEST_P(FormatTest, NamesThePathItCannotMake) {
  for (const std::string& path :
       {directory_.Path("none/out"), std::string("/proc/out"), std::string()}) {
    const auto status = WriteAll(path);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
  EXPECT_EQ(directory_.Entries(), std::set<std::string>{});
}

TEST_P(FormatTest, RefusesToMixFamilies) {
  auto writer = Create(path_);
  ASSERT_TRUE(writer.ok());
  Reply reply;
  reply.probe.target = *IpAddress::Parse("2001:db8::1");
  reply.responder = IpAddress::V4(1);
  EXPECT_FALSE((*writer)->WriteReplies(std::span(&reply, 1)).ok());
}

TEST_P(FormatTest, IsFinishedOnce) {
  auto writer = Create(path_);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Finish("{}").ok());
  EXPECT_FALSE((*writer)->Finish("{}").ok());
}

std::string NameOf(const testing::TestParamInfo<FormatTest::ParamType>& info) {
  const auto& [module, table] = info.param;
  std::string name =
      std::string(module.name) + "_" + kTableNames[static_cast<int>(table)];
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Each format with each table that it can hold.
std::vector<FormatTest::ParamType> Cases() {
  std::vector<FormatTest::ParamType> cases;
  for (const FormatModule& module : Register<FormatModule>::All()) {
    for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
      if (module.only.value_or(table) == table)
        cases.push_back({module, table});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, FormatTest, testing::ValuesIn(Cases()), NameOf);

TEST(Formats, AreThoseThatTheReadmePromises) {
  std::vector<std::string> names;
  for (const FormatModule& module : Register<FormatModule>::All()) {
    names.push_back(module.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "atlas", "caracal", "csv", "dot", "edgelist", "gexf",
                       "graphml", "itdk-links", "itdk-nodes", "jsonl", "native",
                       "parquet", "warts", "yarrp"}));
}

class TextTest : public testing::Test {
 protected:
  // What `format` makes of the rows below in `table`.
  std::string Write(const std::string& format, Table table) {
    const std::string path = directory_.Path(format);
    auto writer = Register<FormatModule>::Find(format)->create({path, table});
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE((*writer)->WriteReplies(replies_).ok());
    EXPECT_TRUE((*writer)->WriteLinks(links_).ok());
    EXPECT_TRUE((*writer)->Finish("{}").ok());
    return ReadFile(path);
  }

  // The label 16, and an incoming interface called a,b.
  static constexpr uint8_t kExtensions[] = {0, 8, 1, 1, 0, 1,   1,   1,  //
                                            0, 8, 2, 2, 4, 'a', ',', 'b'};

  const TemporaryDirectory directory_;
  const std::vector<Reply> replies_ = {
      {.probe = {*IpAddress::Parse("10.0.9.1"), Ttl(3), FlowId(2)},
       .responder = *IpAddress::Parse("255.100.20.3"),
       .received = Instant(std::chrono::seconds(1'700'000'000)),
       .rtt = std::chrono::microseconds(12'345),
       .kind = ReplyKind::kHop,
       .icmp_type = 11,
       .icmp_code = 0,
       .arrival_ttl = Ttl(252),
       .quoted_ttl = Ttl(1),
       .quoted_tos = 40,
       .changes = kChangedId,
       .extensions = {std::as_bytes(std::span(kExtensions))}}};
  const std::vector<Link> links_ = {
      {.near = *IpAddress::Parse("1.2.3.4"),
       .far = *IpAddress::Parse("0.0.0.0"),
       .target = *IpAddress::Parse("9.9.9.9"),
       .paths = 18'446'744'073'709'551'615U,
       .first_seen = Instant(std::chrono::seconds(5)),
       .last_seen = Instant(std::chrono::seconds(6)),
       .min_ttl = Ttl(7),
       .flags = kLinkToDestination | kLinkWideInterval},
      {.near = *IpAddress::Parse("1.2.3.4"),
       .far = *IpAddress::Parse("8.8.8.8"),
       .target = *IpAddress::Parse("9.9.9.9"),
       .first_seen = Instant(std::chrono::seconds(5)),
       .last_seen = Instant(std::chrono::seconds(6)),
       .min_ttl = Ttl(7),
       .gap = 2,
       .flags = 0}};
};

TEST_F(TextTest, CsvIsAsDocumented) {
  EXPECT_EQ(Write("csv", Table::kHops),
            "target,flow,ttl,responder,kind,icmp_type,icmp_code,"
            "tcp_flags,reply_ttl,quoted_ttl,quoted_tos,changes,rtt_100us,"
            "received,extensions,mpls\n"
            "10.0.9.1,2,3,255.100.20.3,hop,11,0,0,252,1,40,id,123,1700000000,"
            "\"mpls 16/0/1/1; incoming name \"\"a,b\"\"\",16/0/1/1\n");
}

TEST_F(TextTest, CsvJoinsFlagsByPlus) {
  EXPECT_EQ(Write("csv", Table::kLinks),
            "near,far,min_ttl,paths,first_seen,last_seen,target,flags\n"
            "1.2.3.4,0.0.0.0,7,18446744073709551615,5,6,9.9.9.9,"
            "destination+wide-interval\n");
}

TEST_F(TextTest, CsvOfGapsHasNoLinks) {
  EXPECT_EQ(Write("csv", Table::kGaps),
            "near,far,min_ttl,paths,first_seen,last_seen,target,flags,gap\n"
            "1.2.3.4,8.8.8.8,7,1,5,6,9.9.9.9,,2\n");
}

TEST_F(TextTest, JsonlIsAsDocumented) {
  EXPECT_EQ(Write("jsonl", Table::kLinks),
            "{\"near\":\"1.2.3.4\",\"far\":\"0.0.0.0\",\"min_ttl\":7,"
            "\"paths\":18446744073709551615,\"first_seen\":5,\"last_seen\":6,"
            "\"target\":\"9.9.9.9\","
            "\"flags\":[\"destination\",\"wide-interval\"]}\n");
}

TEST_F(TextTest, JsonlSpellsKinds) {
  EXPECT_EQ(Write("jsonl", Table::kHops),
            "{\"target\":\"10.0.9.1\",\"flow\":2,\"ttl\":3,"
            "\"responder\":\"255.100.20.3\",\"kind\":\"hop\",\"icmp_type\":11,"
            "\"icmp_code\":0,\"tcp_flags\":0,\"reply_ttl\":252,"
            "\"quoted_ttl\":1,\"quoted_tos\":40,\"changes\":[\"id\"],"
            "\"rtt_100us\":123,\"received\":1700000000,"
            "\"extensions\":\"mpls 16/0/1/1; incoming name \\\"a,b\\\"\","
            "\"mpls\":\"16/0/1/1\"}\n");
}

// Standard output led elsewhere while the object is there.
class StdoutTo {
 public:
  explicit StdoutTo(int fd) : saved_(dup(STDOUT_FILENO)) {
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
  }
  ~StdoutTo() { dup2(saved_.get(), STDOUT_FILENO); }

  StdoutTo(const StdoutTo&) = delete;
  StdoutTo& operator=(const StdoutTo&) = delete;

 private:
  UniqueFd saved_;
};

// Writes many rows to standard output.
absl::Status WriteManyTo(const std::string& format, int fd) {
  const StdoutTo redirected(fd);
  const auto replies = SyntheticScan(1).Hops(0, 2000);
  auto writer = Register<FormatModule>::Find(format)->create(
      {.path = "-", .table = Table::kHops});
  if (!writer.ok()) return writer.status();
  for (int i = 0; i < 10; ++i) {
    // Again from the start would be out of order.
    auto status = (*writer)->WriteReplies(std::span(replies).subspan(
        i * replies.size() / 10, replies.size() / 10));
    if (!status.ok()) return status;
  }
  return (*writer)->Finish("{}");
}

TEST_F(TextTest, GoesToStandardOutput) {
  for (const char* format : {"csv", "jsonl"}) {
    const std::string path = directory_.Path(std::string(format) + "-out");
    const UniqueFd file(open(path.c_str(), O_CREAT | O_RDWR, 0600));
    const auto status = WriteManyTo(format, file.get());
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_GT(ReadFile(path).size(), 100'000U);
  }
}

TEST_F(TextTest, ReportsAFullDisk) {
  const UniqueFd full(open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full.valid());
  const auto status = WriteManyTo("csv", full.get());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST_F(TextTest, ReportsAReaderThatWentAway) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const UniqueFd pipe_end(ends[1]);
  const auto before = signal(SIGPIPE, SIG_IGN);
  const auto status = WriteManyTo("jsonl", pipe_end.get());
  signal(SIGPIPE, before);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("standard output"), std::string::npos)
      << status;
}

}  // namespace
}  // namespace fathom
