#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <thread>

#include "src/links/bucket_map.h"
#include "src/links/reply_record.h"
#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{seconds(1'700'000'000)};

std::vector<Reply> AnyReplies(Random& random, size_t count, int v6_percent) {
  std::vector<Reply> replies;
  for (size_t i = 0; i < count; ++i) {
    const bool v6 = Below(random, 100) < static_cast<uint64_t>(v6_percent);
    replies.push_back(AnyReply(random, v6 ? Family::kIpv6 : Family::kIpv4));
  }
  return replies;
}

std::vector<IpAddress> AnyBoundaries(Random& random, size_t count) {
  std::vector<IpAddress> boundaries;
  for (size_t i = 0; i < count; ++i) {
    boundaries.push_back(RandomAddress(
        random, Below(random, 4) == 0 ? Family::kIpv6 : Family::kIpv4));
  }
  std::sort(boundaries.begin(), boundaries.end());
  boundaries.erase(std::unique(boundaries.begin(), boundaries.end()),
                   boundaries.end());
  return boundaries;
}

size_t NaiveBucket(const std::vector<IpAddress>& boundaries,
                   const IpAddress& target) {
  size_t bucket = 0;
  for (const IpAddress& boundary : boundaries) bucket += boundary <= target;
  return bucket;
}

// Bytes of extensions.
size_t Lent(const std::vector<Reply>& replies) {
  size_t bytes = 0;
  for (const Reply& reply : replies) bytes += reply.extensions.bytes.size();
  return bytes;
}

TEST(ReplyRecord, EveryFieldComesBackFromEveryBlockLength) {
  Random random(1);
  for (const int v6_percent : {0, 100, 30}) {
    for (size_t count = 0; count < 200; count += 1 + count / 20) {
      const auto replies = AnyReplies(random, count, v6_percent);
      const RecordWidth width = WidthOf(replies);
      EXPECT_TRUE(v6_percent > 0 || width == RecordWidth::kNarrow);
      std::vector<std::byte> bytes;
      EncodeRecords(replies, width, bytes);
      EXPECT_EQ(bytes.size(), count * RecordSize(width) + Lent(replies));
      std::vector<Reply> back;
      ASSERT_TRUE(DecodeRecords(bytes, width, count, back));
      EXPECT_EQ(back, replies);
    }
  }
}

TEST(ReplyRecord, RefusesUnknownKindsAndHalfRecords) {
  Random random(2);
  const auto replies = AnyReplies(random, 3, 0);
  std::vector<std::byte> bytes;
  EncodeRecords(replies, RecordWidth::kNarrow, bytes);
  std::vector<Reply> back = replies;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeRecords(std::span(bytes).first(size),
                               RecordWidth::kNarrow, 3, back));
  }
  for (const size_t count : {2, 4}) {
    EXPECT_FALSE(DecodeRecords(bytes, RecordWidth::kNarrow, count, back));
  }
  bytes[27 * 3 + 1] = std::byte{4};  // The second record's kind.
  EXPECT_FALSE(DecodeRecords(bytes, RecordWidth::kNarrow, 3, back));
  EXPECT_EQ(back, replies);
}

TEST(BucketMap, AgreesWithCountingBoundaries) {
  Random random(3);
  for (size_t count = 0; count < 70; ++count) {
    const auto boundaries = AnyBoundaries(random, count);
    const BucketMap map(boundaries);
    EXPECT_EQ(map.size(), boundaries.size() + 1);
    std::vector<IpAddress> targets = boundaries;
    for (const IpAddress& boundary : boundaries) {
      targets.push_back(IpAddress::V6(boundary.high(), boundary.low() - 1));
    }
    for (int i = 0; i < 100; ++i) {
      targets.push_back(RandomAddress(random, Family::kIpv4));
      targets.push_back(RandomAddress(random, Family::kIpv6));
    }
    targets.push_back(IpAddress());
    for (const IpAddress& target : targets) {
      ASSERT_EQ(map.Find(target), NaiveBucket(boundaries, target));
    }
  }
}

TEST(BucketMap, EvenBoundariesDealTargetsEvenly) {
  for (const size_t count : {0, 1, 2, 7, 64, 1000}) {
    std::vector<uint32_t> numbers;
    for (size_t i = 0; i < count; ++i) {
      numbers.push_back(static_cast<uint32_t>(i * i + 5));
    }
    const TargetSet targets(numbers);
    for (const size_t buckets : {1, 2, 3, 64}) {
      const BucketMap map(EvenBoundaries(targets, buckets));
      ASSERT_LE(map.size(), std::max<size_t>(1, std::min(buckets, count)));
      std::map<size_t, size_t> sizes;
      for (size_t i = 0; i < count; ++i) ++sizes[map.Find(targets[i])];
      for (const auto& [bucket, size] : sizes) {
        ASSERT_LE(size, count / buckets + 1);
      }
    }
  }
}

TEST(Spool, ReturnsWhatItWasGivenBucketByBucket) {
  const TemporaryDirectory directory;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    const std::string path = directory.File(std::to_string(seed));
    SpoolOptions options;
    options.boundaries = AnyBoundaries(random, Below(random, 20));
    options.buffer_records = 1 + Below(random, 50);
    options.metadata = std::string(Below(random, 300), 'm');
    auto spool = ReplySpool::Create(path, options);
    ASSERT_TRUE(spool.ok()) << spool.status();

    std::vector<std::vector<Reply>> expected(options.boundaries.size() + 1);
    Instant now = kStart;
    uint64_t total = 0;
    for (int batch = 0; batch < 30; ++batch) {
      const auto replies = AnyReplies(random, Below(random, 100), 20);
      (*spool)->inlet(0).Consume(now, replies);
      total += replies.size();
      for (const Reply& reply : replies) {
        expected[NaiveBucket(options.boundaries, reply.probe.target)].push_back(
            reply);
      }
      now += milliseconds(Below(random, 700));
    }
    ASSERT_TRUE((*spool)->Close(now, "{\"sent\": 1}").ok());
    EXPECT_EQ((*spool)->counters().records, total);
    EXPECT_EQ((*spool)->counters().lost, 0U);
    EXPECT_EQ((*spool)->counters().bytes, std::filesystem::file_size(path));

    const auto reader = SpoolReader::Open(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ((*reader)->metadata(), options.metadata);
    EXPECT_EQ((*reader)->summary(), "{\"sent\": 1}");
    EXPECT_EQ((*reader)->records(), total);
    ASSERT_EQ((*reader)->buckets(), expected.size());
    for (size_t bucket = 0; bucket < expected.size(); ++bucket) {
      EXPECT_EQ((*reader)->records(bucket), expected[bucket].size());
      const auto replies = ReadBucket(**reader, bucket);
      ASSERT_TRUE(replies.ok());
      ASSERT_EQ(*replies, expected[bucket]);
    }
    EXPECT_EQ((*reader)->damage(), SpoolDamage{});
  }
}

TEST(Spool, KeepsWhatManyReceiversHearAtOnce) {
  constexpr size_t kReceivers = 3;
  const TemporaryDirectory directory;
  Random random(7);
  SpoolOptions options;
  options.boundaries = AnyBoundaries(random, 9);
  options.buffer_records = 64;
  options.inlets = kReceivers;
  std::vector<std::vector<Reply>> heard;
  for (size_t i = 0; i < kReceivers; ++i) {
    heard.push_back(AnyReplies(random, 5'000 + i, 0));
  }
  const std::string path = directory.File("shared");
  auto spool = *ReplySpool::Create(path, options);
  {
    std::vector<std::jthread> receivers;
    for (size_t i = 0; i < kReceivers; ++i) {
      receivers.emplace_back([&, i] {
        for (size_t at = 0; at < heard[i].size(); ++at) {
          spool->inlet(i).Consume(kStart + milliseconds(at),
                                  {&heard[i][at], 1});
        }
      });
    }
  }
  ASSERT_TRUE(spool->Close(kStart + seconds(10), "{}").ok());

  // Every receiver's replies are there, each bucket's in their order.
  const auto reader = *SpoolReader::Open(path);
  uint64_t total = 0;
  for (size_t bucket = 0; bucket < reader->buckets(); ++bucket) {
    const auto replies = *ReadBucket(*reader, bucket);
    total += replies.size();
    for (const std::vector<Reply>& mine : heard) {
      auto next = replies.begin();
      for (const Reply& reply : mine) {
        if (NaiveBucket(options.boundaries, reply.probe.target) != bucket) {
          continue;
        }
        next = std::find(next, replies.end(), reply);
        ASSERT_NE(next, replies.end());
        ++next;
      }
    }
  }
  EXPECT_EQ(total, heard[0].size() + heard[1].size() + heard[2].size());
}

TEST(Spool, CanBeReadBetweenFlushesWhileItIsWritten) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("open");
  Random random(8);
  SpoolOptions options;
  options.boundaries = AnyBoundaries(random, 5);
  options.buffer_records = 16;
  options.inlets = 2;
  auto spool = *ReplySpool::Create(path, options);
  std::vector<std::vector<Reply>> expected(options.boundaries.size() + 1);
  Instant now = kStart;
  for (int round = 0; round < 30; ++round) {
    for (size_t inlet = 0; inlet < options.inlets; ++inlet) {
      const auto replies = AnyReplies(random, Below(random, 100), 20);
      spool->inlet(inlet).Consume(now, replies);
      for (const Reply& reply : replies) {
        expected[NaiveBucket(options.boundaries, reply.probe.target)].push_back(
            reply);
      }
    }
    now += milliseconds(1);
    ASSERT_TRUE(spool->Flush(now).ok());
    const auto reader = SpoolReader::OpenBeside(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_FALSE((*reader)->summary());
    for (size_t bucket = 0; bucket < expected.size(); ++bucket) {
      const auto replies = ReadBucket(**reader, bucket);
      ASSERT_TRUE(replies.ok());
      ASSERT_EQ(Sorted(*replies), Sorted(expected[bucket]));
    }
    EXPECT_EQ((*reader)->damage(), SpoolDamage{});
    // Whoever else comes still finds it taken.
    EXPECT_TRUE(absl::IsFailedPrecondition(SpoolReader::Open(path).status()));
  }
  ASSERT_TRUE(spool->Close(now, "{}").ok());
  const auto reader = *SpoolReader::Open(path);
  for (size_t bucket = 0; bucket < expected.size(); ++bucket) {
    EXPECT_EQ(Sorted(*ReadBucket(*reader, bucket)), Sorted(expected[bucket]));
  }
}

TEST(Spool, FlushesByHandedInTimeEvenWithoutReplies) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  SpoolOptions options;
  options.boundaries = {IpAddress::V4(1U << 31)};
  options.flush_interval = seconds(1);
  auto spool = *ReplySpool::Create(path, options);
  Reply low;
  low.probe.target = IpAddress::V4(1);
  low.responder = IpAddress::V4(2);
  Reply high = low;
  high.probe.target = IpAddress::V4(0xf0000000);
  spool->inlet(0).Consume(kStart, {&low, 1});
  spool->inlet(0).Consume(kStart + milliseconds(600), {&high, 1});
  spool->inlet(0).Consume(kStart + milliseconds(999), {});
  spool->inlet(0).Consume(kStart + milliseconds(1000),
                          {});  // Seals the low one,
  spool->inlet(0).Consume(kStart + milliseconds(1599), {});
  spool->inlet(0).Consume(kStart + milliseconds(1600),
                          {});  // and this the high one.
  EXPECT_TRUE(spool->Close(kStart + seconds(9), "").ok());
  EXPECT_EQ(spool->counters().frames, 2U);
  const auto reader = *SpoolReader::Open(path);
  EXPECT_EQ(reader->last_sealed(), kStart + milliseconds(1600));
  EXPECT_EQ(reader->summary(), "");
}

TEST(Spool, WithoutCloseItHoldsAllButNoSummary) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  Random random(5);
  const auto replies = AnyReplies(random, 100, 50);
  {
    auto spool = *ReplySpool::Create(path, {});
    spool->inlet(0).Consume(kStart, replies);
  }
  const auto reader = *SpoolReader::Open(path);
  EXPECT_FALSE(reader->summary());
  EXPECT_EQ(*ReadBucket(*reader, 0), replies);
  EXPECT_EQ(reader->damage(), SpoolDamage{});
}

TEST(Spool, BoundsItsBuffersWhenRepliesOutrunTheDisk) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  SpoolOptions options;
  options.buffer_records = 1;  // A frame a reply: ten buffers in all.
  auto spool = *ReplySpool::Create(path, options);
  Random random(6);
  const auto replies = AnyReplies(random, 5000, 0);
  spool->inlet(0).Consume(kStart, replies);
  ASSERT_TRUE(spool->Close(kStart, "").ok());
  EXPECT_EQ(spool->counters().frames, replies.size());
  EXPECT_EQ(*ReadBucket(**SpoolReader::Open(path), 0), replies);
}

TEST(Spool, RefusesOptionsThatMakeNoSense) {
  const TemporaryDirectory directory;
  const auto code = [&directory](const SpoolOptions& options) {
    return ReplySpool::Create(directory.File("x"), options).status().code();
  };
  const IpAddress one = IpAddress::V4(1);
  EXPECT_EQ(code({.boundaries = {one, one}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.boundaries = {IpAddress::V4(2), one}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.buffer_records = 0}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.buffer_records = kMaxFrameRecords + 1}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(directory.File("x")));
}

TEST(Spool, IsLockedWhileItIsWrittenAndWhileItIsRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  auto spool = *ReplySpool::Create(path, {});
  EXPECT_EQ(SpoolReader::Open(path).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReplySpool::Create(path, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(spool->Close(kStart, "").ok());
  {
    const auto reader = SpoolReader::Open(path);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(SpoolReader::Open(path).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(SpoolReader::Open(path).ok());
  EXPECT_EQ(ReplySpool::Create(path, {}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(Spool, NamesThePathItCannotMakeOrOpen) {
  const auto made = ReplySpool::Create("/nonexistent/spool", {});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(made.status().message().find("/nonexistent/spool"),
            absl::string_view::npos);
  EXPECT_EQ(SpoolReader::Open("/nonexistent/spool").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(Spool, ReportsAFullDiskAtOnce) {
  EXPECT_EQ(ReplySpool::Create("/dev/full", {}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(std::filesystem::exists("/dev/full"));
}

// Limits the size of files that the process may write, for a test.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    handler_ = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

TEST(Spool, LatchesAWriteErrorAndCountsWhatIsLost) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  Random random(7);
  const auto replies = AnyReplies(random, 20'000, 0);
  SpoolCounters counters;
  {
    const FileSizeLimit limit(100'000);
    SpoolOptions options;
    options.buffer_records = 100;
    auto spool = *ReplySpool::Create(path, options);
    spool->inlet(0).Consume(kStart, replies);
    spool->inlet(0).Consume(kStart, replies);
    const absl::Status closed = spool->Close(kStart, "");
    EXPECT_FALSE(closed.ok());
    EXPECT_NE(closed.message().find(path), absl::string_view::npos) << closed;
    EXPECT_EQ(spool->status(), closed);
    counters = spool->counters();
  }
  EXPECT_GT(counters.lost, 0U);
  EXPECT_GT(counters.records, 0U);
  EXPECT_EQ(counters.records + counters.lost, 2 * replies.size());

  // What was counted as written is what can be read; the torn frame is cut.
  const auto reader = *SpoolReader::Open(path);
  const auto kept = *ReadBucket(*reader, 0);
  EXPECT_EQ(kept.size(), counters.records);
  EXPECT_TRUE(std::equal(kept.begin(), kept.end(), replies.begin()));
  EXPECT_GT(reader->damage().cut_bytes, 0U);
  EXPECT_FALSE(reader->summary());
}

TEST(Spool, AfterAKillHoldsWhatWasFlushed) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  Random random(8);
  const auto replies = AnyReplies(random, 10'000, 10);
  int to_parent[2];
  ASSERT_EQ(pipe2(to_parent, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Tells how many replies have been written, and never stops.
    SpoolOptions options;
    options.buffer_records = 64;
    auto spool = ReplySpool::Create(path, options);
    if (!spool.ok()) _exit(1);
    while (true) {
      (*spool)->inlet(0).Consume(kStart, replies);
      const uint64_t written = (*spool)->counters().records;
      if (write(to_parent[1], &written, sizeof written) < 0) _exit(1);
    }
  }
  close(to_parent[1]);
  uint64_t written = 0;
  while (written < 200'000 &&
         read(to_parent[0], &written, sizeof written) == sizeof written) {
  }
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  while (read(to_parent[0], &written, sizeof written) == sizeof written) {
  }
  close(to_parent[0]);

  const auto reader = *SpoolReader::Open(path);
  const auto kept = *ReadBucket(*reader, 0);
  EXPECT_GE(kept.size(), written);
  for (size_t i = 0; i < kept.size(); ++i) {
    ASSERT_EQ(kept[i], replies[i % replies.size()]);
  }
  EXPECT_FALSE(reader->summary());
}

}  // namespace
}  // namespace fathom
