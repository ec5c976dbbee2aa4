#include <gtest/gtest.h>

#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

constexpr Instant kStart{std::chrono::seconds(1'700'000'000)};

// A small spool of a few frames in two buckets, and what it holds. Replies
// carry their number as the time they were received.
class DamagedSpool : public testing::Test {
 protected:
  static constexpr size_t kReplies = 30;
  static constexpr size_t kPerFrame = 5;

  void SetUp() override {
    SpoolOptions options;
    options.boundaries = {IpAddress::V4(1U << 31)};
    options.buffer_records = kPerFrame;
    options.metadata = "{\"pps\": 1000}";
    auto spool = *ReplySpool::Create(path_, options);
    Random random(1);
    for (size_t i = 0; i < kReplies; ++i) {
      // The buckets take turns, frame by frame.
      const uint32_t bucket = i / kPerFrame % 2;
      Reply reply = AnyReply(random, Family::kIpv4);
      reply.probe.target = IpAddress::V4(
          bucket << 31 | static_cast<uint32_t>(Below(random, 1U << 31)));
      reply.received = Instant(Nanos(i));
      replies_.push_back(reply);
      spool->inlet(0).Consume(kStart, {&replies_.back(), 1});
    }
    ASSERT_TRUE(spool->Close(kStart, "{\"ok\": true}").ok());
    bytes_ = ReadFile(path_);
  }

  // All replies that can be read from `bytes`, in the order they were made;
  // nullopt if it does not open.
  std::optional<std::vector<Reply>> Recover(const std::string& bytes) {
    WriteFile(path_, bytes);
    const auto reader = SpoolReader::Open(path_);
    if (!reader.ok()) return std::nullopt;
    std::vector<Reply> all;
    for (size_t bucket = 0; bucket < (*reader)->buckets(); ++bucket) {
      const auto replies = ReadBucket(**reader, bucket);
      EXPECT_TRUE(replies.ok()) << replies.status();
      all.insert(all.end(), replies->begin(), replies->end());
    }
    std::sort(all.begin(), all.end(), [](const Reply& a, const Reply& b) {
      return a.received < b.received;
    });
    damage_ = (*reader)->damage();
    summary_ = (*reader)->summary();
    metadata_ = (*reader)->metadata();
    return all;
  }

  // Where the frames begin, by their magic; then the end of the file.
  std::vector<size_t> FrameOffsets() const {
    std::vector<size_t> offsets;
    for (size_t at = bytes_.find("FPL"); at != std::string::npos;
         at = bytes_.find("FPL", at + 1)) {
      offsets.push_back(at);
    }
    offsets.push_back(bytes_.size());
    return offsets;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("spool");
  std::vector<Reply> replies_;
  std::string bytes_;
  SpoolDamage damage_;
  std::optional<std::string> summary_;
  std::string metadata_;
};

TEST_F(DamagedSpool, IsWholeBeforeItIsDamaged) {
  EXPECT_EQ(Recover(bytes_), replies_);
  EXPECT_EQ(damage_, SpoolDamage{});
  EXPECT_EQ(FrameOffsets().size(), kReplies / kPerFrame + 2);
}

TEST_F(DamagedSpool, TornAtAnyByteYieldsThePrefixOfItsFrames) {
  const auto offsets = FrameOffsets();
  for (size_t length = 0; length < bytes_.size(); ++length) {
    const auto recovered = Recover(bytes_.substr(0, length));
    ASSERT_EQ(recovered.has_value(), length >= offsets[0]) << length;
    if (!recovered) continue;
    size_t frames = 0;
    while (offsets[frames + 1] <= length) ++frames;
    const size_t records = frames * kPerFrame;
    ASSERT_EQ(*recovered,
              std::vector(replies_.begin(), replies_.begin() + records));
    ASSERT_EQ(damage_.cut_bytes, length - offsets[frames]);
    ASSERT_EQ(damage_.lost_bytes, 0U);
    ASSERT_EQ(damage_.bad_frames, 0U);
    ASSERT_FALSE(summary_);
  }
}

TEST_F(DamagedSpool, AnyFlippedBitLosesAtMostItsFrameAndShows) {
  const auto offsets = FrameOffsets();
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::string flipped = bytes_;
    flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
    const auto recovered = Recover(flipped);
    ASSERT_EQ(recovered.has_value(), at >= offsets[0]) << at;
    if (!recovered) continue;
    size_t frame = 0;
    while (offsets[frame + 1] <= at) ++frame;
    std::vector<Reply> expected = replies_;
    if (frame * kPerFrame < kReplies) {
      const auto first = expected.begin() + frame * kPerFrame;
      expected.erase(first, first + kPerFrame);
    }
    ASSERT_EQ(*recovered, expected) << at;
    ASSERT_NE(damage_, SpoolDamage{}) << at;
    ASSERT_EQ(summary_.has_value(), frame * kPerFrame < kReplies) << at;
    ASSERT_EQ(metadata_, "{\"pps\": 1000}");
  }
}

TEST_F(DamagedSpool, GoesOnBehindAHole) {
  const auto offsets = FrameOffsets();
  // As a disk that lost a page: zeros over a header and parts around it.
  std::string holed = bytes_;
  for (size_t at = offsets[2] - 10; at < offsets[2] + 50; ++at) holed[at] = 0;
  std::vector<Reply> expected = replies_;
  expected.erase(expected.begin() + kPerFrame,
                 expected.begin() + 3 * kPerFrame);
  EXPECT_EQ(Recover(holed), expected);
  EXPECT_EQ(damage_.bad_frames, 1U);
  EXPECT_EQ(damage_.bad_records, kPerFrame);
  EXPECT_EQ(damage_.lost_bytes, offsets[3] - offsets[2]);
  EXPECT_TRUE(summary_);
}

TEST_F(DamagedSpool, FindsFramesBehindMuchGarbageThatLooksLikeFrames) {
  const size_t second = FrameOffsets()[1];
  std::string garbage;
  Random random(9);
  while (garbage.size() < 600'000) {
    garbage += "FPL4";
    garbage += std::string(Below(random, 90), 'F');
  }
  std::string damaged = bytes_;
  damaged.insert(second, garbage);
  EXPECT_EQ(Recover(damaged), replies_);
  EXPECT_EQ(damage_.lost_bytes, garbage.size());
}

TEST_F(DamagedSpool, CountsWhatFollowsTheEnd) {
  EXPECT_EQ(Recover(bytes_ + bytes_.substr(FrameOffsets()[0])), replies_);
  EXPECT_EQ(damage_.cut_bytes, bytes_.size() - FrameOffsets()[0]);
}

TEST_F(DamagedSpool, CountsBadFramesOnceHoweverOftenItIsRead) {
  std::string flipped = bytes_;
  flipped[FrameOffsets()[0] + kFrameHeaderSize + 3] ^= 1;
  WriteFile(path_, flipped);
  const auto reader = *SpoolReader::Open(path_);
  EXPECT_EQ(reader->records(), kReplies);
  EXPECT_TRUE(ReadBucket(*reader, 0).ok());
  EXPECT_TRUE(ReadBucket(*reader, 0).ok());
  EXPECT_EQ(reader->damage().bad_frames, 1U);
  EXPECT_EQ(reader->damage().bad_records, kPerFrame);
  EXPECT_EQ(reader->records(), kReplies - kPerFrame);
}

// A frame with good hashes that says what no writer says must not break the
// order of the dataset.
TEST_F(DamagedSpool, RefusesTargetsThatAreNotOfTheirBucket) {
  std::string forged = bytes_;
  const size_t at = FrameOffsets()[0];
  auto header = *LoadFrameHeader(std::as_bytes(std::span(forged)).subspan(at));
  EXPECT_EQ(header.bucket, 0U);
  header.bucket = 1;
  StoreFrameHeader(
      header,
      std::as_writable_bytes(std::span(forged)).subspan(at, kFrameHeaderSize));
  EXPECT_EQ(Recover(forged),
            std::vector(replies_.begin() + kPerFrame, replies_.end()));
  EXPECT_EQ(damage_.bad_frames, 1U);
}

TEST_F(DamagedSpool, TellsWhyItCannotBeOpened) {
  const auto why = [this](const std::string& bytes) {
    WriteFile(path_, bytes);
    return std::string(SpoolReader::Open(path_).status().message());
  };
  EXPECT_NE(why("").find("cut off"), std::string::npos);
  EXPECT_NE(why(std::string(200, 'x')).find("no spool"), std::string::npos);
  std::string later = bytes_;
  later[8] = 4;
  EXPECT_NE(why(later).find("version is 4"), std::string::npos);
  // It said less, and says it in the same way.
  later[8] = 2;
  EXPECT_NE(why(later).find("damaged"), std::string::npos);
}

TEST(SpoolReader, AnyBytesAreSafe) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    SpoolHead head;
    for (uint32_t i = 0; i < Below(random, 4); ++i) {
      head.boundaries.push_back(IpAddress::V4(i << 28));
    }
    std::vector<std::byte> bytes;
    AppendHead(head, bytes);
    // Frames whose hashes hold, around any bytes.
    for (int frame = 0; frame < 8; ++frame) {
      std::vector<std::byte> payload(Below(random, 200));
      for (std::byte& byte : payload) byte = static_cast<std::byte>(random());
      const FrameHeader header = {
          .kind = static_cast<FrameKind>(Below(random, 12) / 2),
          .bucket = static_cast<uint32_t>(Below(random, 5)),
          .records =
              static_cast<uint32_t>(random() >> (32 + Below(random, 32))),
          .size = static_cast<uint32_t>(payload.size() + Below(random, 2)),
          .sealed = Instant(Nanos(static_cast<int64_t>(random()))),
          .payload_hash = SpoolHash(payload)};
      const size_t at = bytes.size();
      bytes.resize(at + kFrameHeaderSize);
      StoreFrameHeader(header, std::span(bytes).subspan(at));
      bytes.insert(bytes.end(), payload.begin(), payload.end());
    }
    WriteFile(path, std::string(reinterpret_cast<const char*>(bytes.data()),
                                bytes.size()));
    const auto reader = SpoolReader::Open(path);
    ASSERT_TRUE(reader.ok()) << seed << reader.status();
    for (size_t bucket = 0; bucket < (*reader)->buckets(); ++bucket) {
      const auto replies = ReadBucket(**reader, bucket);
      ASSERT_TRUE(replies.ok());
      EXPECT_TRUE(replies->empty());
    }
    EXPECT_EQ((*reader)->records(), 0U);
  }
}

}  // namespace
}  // namespace fathom
