#include "fathom/dataset.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fathom/registry.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/tables.h"
#include "src/net/icmp_extensions.h"
#include "tests/dataset_contents.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

absl::Status TryCreate(const std::string& path) {
  return Register<FormatModule>::Find("parquet")
      ->create({.path = path})
      .status();
}

// Every field at its least and its most, and all kinds.
Contents MakeExtremes() {
  Contents contents = {.manifest = kManifest};
  const IpAddress last = IpAddress::V4(0xffffffff);
  for (int kind = 0; kind < 4; ++kind) {
    Reply reply;
    reply.probe = {IpAddress::V4(0), Ttl(0), FlowId(0)};
    reply.responder = IpAddress::V4(0);
    reply.received = Instant(seconds(0));
    reply.rtt = kind == 0 ? kUnknownRtt : Nanos(0);
    reply.kind = static_cast<ReplyKind>(kind);
    contents.replies.push_back(reply);
  }
  contents.replies.push_back({.probe = {last, Ttl(255), FlowId(65535)},
                              .responder = last,
                              .received = Instant(seconds(0xffffffffU)),
                              .rtt = microseconds(6'553'400),
                              .kind = ReplyKind::kAlias,
                              .icmp_type = 255,
                              .icmp_code = 255,
                              .arrival_ttl = Ttl(255),
                              .quoted_ttl = Ttl(255),
                              .quoted_tos = 255,
                              .changes = 255,
                              .tcp_flags = 255});
  const IpAddress none = IpAddress::V4(0);
  for (const uint8_t gap : {0, 1, 255}) {
    contents.links.push_back({.near = none,
                              .far = none,
                              .target = none,
                              .paths = 0,
                              .first_seen = Instant(seconds(0)),
                              .last_seen = Instant(seconds(0)),
                              .min_ttl = Ttl(0),
                              .gap = gap});
  }
  contents.links.push_back({.near = last,
                            .far = last,
                            .target = last,
                            .paths = ~uint64_t{0},
                            .first_seen = Instant(seconds(0xffffffffU)),
                            .last_seen = Instant(seconds(0xffffffffU)),
                            .min_ttl = Ttl(255),
                            .gap = 255,
                            .flags = 255});
  return contents;
}

TEST(Dataset, ComesBackAsItWas) {
  for (const uint32_t targets : {0, 1, 100, 40'000}) {
    const TemporaryDirectory directory;
    const Contents contents = MakeContents(targets);
    WriteDataset(directory.Path("scan"), contents);
    const auto read = ReadDataset(directory.Path("scan"));
    ASSERT_TRUE(read.ok()) << read.status();
    // Not EXPECT_EQ, which would print a million rows.
    EXPECT_TRUE(*read == AsStored(contents)) << targets;
  }
}

TEST(Dataset, KeepsExtremes) {
  const TemporaryDirectory directory;
  const Contents contents = MakeExtremes();
  WriteDataset(directory.Path("scan"), contents);
  const auto read = ReadDataset(directory.Path("scan"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == AsStored(contents));
}

TEST(Dataset, DoesNotMindHowItIsFed) {
  const TemporaryDirectory directory;
  const Contents contents = MakeContents(3000);
  WriteDataset(directory.Path("at once"), contents);
  const auto writer = CreateDataset(directory.Path("bit by bit"));
  std::mt19937 random(1);
  for (size_t i = 0; i < contents.replies.size();) {
    const size_t count =
        std::min<size_t>(random() % 600, contents.replies.size() - i);
    ASSERT_TRUE(
        writer->WriteReplies(std::span(contents.replies).subspan(i, count))
            .ok());
    i += count;
  }
  for (const Link& link : contents.links) {
    ASSERT_TRUE(writer->WriteLinks(std::span(&link, 1)).ok());
  }
  ASSERT_TRUE(writer->Finish(contents.manifest).ok());
  for (const char* name :
       {"links.parquet", "gaps.parquet", "hops.parquet", "manifest.json"}) {
    EXPECT_EQ(ReadFile(directory.Path("at once/") + name),
              ReadFile(directory.Path("bit by bit/") + name))
        << name;
  }
}

TEST(Dataset, RoundsTimesAsDocumented) {
  const TemporaryDirectory directory;
  Contents contents = {.manifest = "{}"};
  const auto add = [&](Nanos rtt, Nanos received) {
    contents.replies.push_back({.probe = {IpAddress::V4(1), Ttl(1), FlowId(0)},
                                .responder = IpAddress::V4(2),
                                .received = Instant(received),
                                .rtt = rtt,
                                .arrival_ttl = Ttl(1),
                                .quoted_ttl = Ttl(1)});
  };
  add(nanoseconds(49'999), seconds(7) + nanoseconds(999'999'999));
  add(nanoseconds(50'000), nanoseconds(-1));
  add(seconds(7), seconds(int64_t{1} << 32));
  add(seconds(100'000), seconds(1));
  add(Nanos(-5), seconds(1));
  WriteDataset(directory.Path("scan"), contents);
  const auto read = ReadDataset(directory.Path("scan"));
  ASSERT_TRUE(read.ok()) << read.status();
  const auto& replies = read->replies;
  ASSERT_EQ(replies.size(), 5U);
  EXPECT_EQ(replies[0].rtt, Nanos(0));
  EXPECT_EQ(replies[0].received, Instant(seconds(7)));
  EXPECT_EQ(replies[1].rtt, microseconds(100));
  EXPECT_EQ(replies[1].received, Instant(seconds(0)));
  EXPECT_EQ(replies[2].rtt, microseconds(6'553'400));
  EXPECT_EQ(replies[2].received, Instant(seconds(0xffffffffU)));
  EXPECT_EQ(replies[3].rtt, microseconds(6'553'400));
  EXPECT_EQ(replies[4].rtt, kUnknownRtt);
}

TEST(Dataset, LeavesNothingWithoutFinish) {
  const TemporaryDirectory directory;
  const Contents contents = MakeContents(50);
  auto writer = CreateDataset(directory.Path("scan"));
  ASSERT_TRUE(writer->WriteReplies(contents.replies).ok());
  ASSERT_TRUE(writer->WriteLinks(contents.links).ok());
  EXPECT_FALSE(directory.Entries().contains("scan"));
  EXPECT_FALSE(directory.Entries().empty());
  writer.reset();
  EXPECT_EQ(directory.Entries(), std::set<std::string>{});
}

TEST(Dataset, LeavesNothingButItself) {
  const TemporaryDirectory directory;
  WriteDataset(directory.Path("scan/"), MakeContents(2));
  EXPECT_EQ(directory.Entries(), std::set<std::string>{"scan"});
}

TEST(Dataset, DoesNotReplaceWhatIsThere) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("scan");
  WriteDataset(path, MakeContents(2));
  const std::string before = ReadFile(path + "/hops.parquet");
  const auto status = TryCreate(path);
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_NE(status.message().find(path), std::string::npos) << status;
  EXPECT_EQ(ReadFile(path + "/hops.parquet"), before);
  EXPECT_EQ(directory.Entries(), std::set<std::string>{"scan"});
}

TEST(Dataset, DoesNotReplaceWhatCameUpMeanwhile) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("scan");
  for (const bool as_directory : {true, false}) {
    auto writer = CreateDataset(path);
    if (as_directory) {
      std::filesystem::create_directory(path);
    } else {
      WriteFile(path, "mine");
    }
    EXPECT_FALSE(writer->Finish(kManifest).ok());
    EXPECT_FALSE(writer->Finish(kManifest).ok());
    writer.reset();
    EXPECT_EQ(directory.Entries(), std::set<std::string>{"scan"});
    EXPECT_EQ(std::filesystem::is_directory(path), as_directory);
    std::filesystem::remove_all(path);
  }
}

TEST(Dataset, TwoOfOneNameDoNotMeet) {
  const TemporaryDirectory directory;
  const Contents contents = MakeContents(10);
  auto first = CreateDataset(directory.Path("scan"));
  auto second = CreateDataset(directory.Path("scan"));
  ASSERT_TRUE(first->WriteReplies(contents.replies).ok());
  second.reset();
  ASSERT_TRUE(first->Finish(kManifest).ok());
  const auto read = ReadDataset(directory.Path("scan"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->replies.size(), contents.replies.size());
}

TEST(Dataset, NeedsAPlaceToBe) {
  const TemporaryDirectory directory;
  WriteFile(directory.Path("file"), "");
  for (const std::string& path :
       {directory.Path("none/scan"), directory.Path("file/scan"), std::string(),
        std::string("."), std::string("/proc/scan"),
        directory.Path(std::string(300, 'x'))}) {
    const auto status = TryCreate(path);
    EXPECT_FALSE(status.ok()) << path;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
  EXPECT_EQ(directory.Entries(), std::set<std::string>{"file"});
}

TEST(Dataset, IsFinishedOnce) {
  const TemporaryDirectory directory;
  const auto writer = CreateDataset(directory.Path("scan"));
  ASSERT_TRUE(writer->Finish(kManifest).ok());
  EXPECT_FALSE(writer->Finish(kManifest).ok());
  EXPECT_FALSE(writer->WriteLinks({}).ok());
  EXPECT_TRUE(ReadDataset(directory.Path("scan")).ok());
}

TEST(Dataset, HoldsIpv6AsItHoldsIpv4) {
  const TemporaryDirectory directory;
  for (const uint32_t targets : {1, 3000}) {
    const Contents contents = MakeContents(targets, Family::kIpv6);
    const std::string path = directory.Path(std::to_string(targets));
    WriteDataset(path, contents);
    const auto read = ReadDataset(path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, AsStored(contents));
  }
}

TEST(Dataset, HoldsAddressesOfOneFamily) {
  const TemporaryDirectory directory;
  const auto writer = CreateDataset(directory.Path("scan"));
  Reply reply;
  reply.probe.target = IpAddress::V4(1);
  reply.responder = *IpAddress::Parse("2001:db8::1");
  const auto status = writer->WriteReplies(std::span(&reply, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("2001:db8::1"), std::string::npos) << status;
  Link link;
  link.near = reply.responder;
  EXPECT_EQ(writer->WriteLinks(std::span(&link, 1)).code(),
            absl::StatusCode::kInvalidArgument);
  // What was refused was not written, and the rest may go on.
  ASSERT_TRUE(writer->Finish(kManifest).ok());
  EXPECT_TRUE(ReadDataset(directory.Path("scan"))->replies.empty());
}

TEST(Dataset, RefusesLabelsThatAreNotThoseOfTheExtensions) {
  const Contents contents = MakeContents(200);
  const auto labelled = std::find_if(
      contents.replies.begin(), contents.replies.end(),
      [](const Reply& r) { return !SpellMpls(r.extensions.bytes).empty(); });
  ASSERT_NE(labelled, contents.replies.end());
  Reply reply = *labelled;
  EXPECT_TRUE(SetString(15, StringOf(*labelled, 15), &reply).ok());
  EXPECT_FALSE(SetString(15, "", &reply).ok());
  const std::string long_bytes(kMaxExtensions + 1, 'x');
  EXPECT_FALSE(SetString(14, long_bytes, &reply).ok());
}

// Runs in a child, since a limit on file sizes cannot be lifted again.
TEST(Dataset, IsNotHalfThereWhenTheDiskIsFull) {
  const TemporaryDirectory directory;
  const Contents contents = MakeContents(40'000);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {100'000, 100'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = CreateDataset(directory.Path("scan"));
    const auto wrote = writer->WriteReplies(contents.replies);
    const auto finished = writer->Finish(kManifest);
    writer.reset();
    const bool good =
        !wrote.ok() && !finished.ok() &&
        wrote.message().find("hops.parquet") != std::string::npos &&
        directory.Entries().empty();
    if (!good) std::cerr << wrote << "\n" << finished << "\n";
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(directory.Entries(), std::set<std::string>{});
}

}  // namespace
}  // namespace fathom
