#ifndef FATHOM_TESTS_LINKS_TESTING_H_
#define FATHOM_TESTS_LINKS_TESTING_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/links/spool_reader.h"
#include "tests/kept_reply.h"

namespace fathom {

// What the tests of src/links share: random replies, temporary files, and a
// dataset that is kept in memory.

using Random = std::mt19937_64;

inline uint64_t Below(Random& random, uint64_t bound) {
  return random() % bound;
}

inline IpAddress RandomAddress(Random& random, Family family) {
  if (family == Family::kIpv4) {
    return IpAddress::V4(static_cast<uint32_t>(random()));
  }
  return IpAddress::V6(random(), random());
}

// Any reply at all: every field takes its extremes now and then.
inline Reply AnyReply(Random& random, Family family) {
  const auto number = [&random]() -> int64_t {
    constexpr std::array<int64_t, 5> kExtremes = {INT64_MIN, -1, 0, 1,
                                                  INT64_MAX};
    const uint64_t choice = Below(random, 10);
    return choice < kExtremes.size() ? kExtremes[choice]
                                     : static_cast<int64_t>(random());
  };
  const auto byte = [&number] { return static_cast<uint8_t>(number()); };
  Reply reply;
  reply.probe = {RandomAddress(random, family), Ttl(byte()),
                 FlowId(static_cast<uint16_t>(number()))};
  reply.responder = RandomAddress(random, family);
  reply.received = Instant(Nanos(number()));
  reply.rtt = Nanos(number());
  reply.kind = static_cast<ReplyKind>(Below(random, 4));
  reply.icmp_type = byte();
  reply.icmp_code = byte();
  reply.arrival_ttl = Ttl(byte());
  reply.quoted_ttl = Ttl(byte());
  reply.quoted_tos = byte();
  reply.changes = byte();
  reply.tcp_flags = byte();
  // Extensions of any content, lent by what outlives every test.
  static const std::vector<std::byte> kLent = [] {
    std::vector<std::byte> bytes(2 * kMaxExtensions);
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::byte>(i * i >> 3);
    }
    return bytes;
  }();
  const size_t size =
      Below(random, 3) == 0 ? Below(random, kMaxExtensions + 1) : 0;
  reply.extensions.bytes =
      std::span(kLent).subspan(Below(random, kMaxExtensions), size);
  return reply;
}

inline std::string TextOf(const LentBytes& lent) {
  return {reinterpret_cast<const char*>(lent.bytes.data()), lent.bytes.size()};
}

// A total order that shares nothing with the code under test.
inline auto AllFields(const Reply& r) {
  return std::make_tuple(r.probe.target, r.probe.flow, r.probe.ttl, r.received,
                         r.responder, r.rtt, r.kind, r.icmp_type, r.icmp_code,
                         r.arrival_ttl, r.quoted_ttl, r.quoted_tos, r.changes,
                         r.tcp_flags, TextOf(r.extensions));
}

inline std::vector<Reply> Sorted(std::vector<Reply> replies) {
  std::sort(replies.begin(), replies.end(), [](const Reply& a, const Reply& b) {
    return AllFields(a) < AllFields(b);
  });
  return replies;
}

// All replies of a bucket, with extensions that outlive the reader.
inline absl::StatusOr<std::vector<Reply>> ReadBucket(SpoolReader& reader,
                                                     size_t bucket) {
  const auto buffer = reader.ReadBucket(bucket);
  if (!buffer.ok()) return buffer.status();
  std::vector<Reply> replies;
  for (const Reply& reply : buffer->replies()) replies.push_back(Keep(reply));
  return replies;
}

// A directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string path = testing::TempDir() + "/fathom-links-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class MemoryWriter final : public DatasetWriter {
 public:
  absl::Status WriteReplies(std::span<const Reply> batch) override {
    for (const Reply& reply : batch) replies.push_back(Keep(reply));
    return absl::OkStatus();
  }
  absl::Status WriteLinks(std::span<const Link> batch) override {
    links.insert(links.end(), batch.begin(), batch.end());
    return absl::OkStatus();
  }
  absl::Status Finish(const std::string&) override {
    finished = true;
    return absl::OkStatus();
  }

  std::vector<Reply> replies;
  std::vector<Link> links;
  bool finished = false;
};

inline void PrintTo(const Link& link, std::ostream* out) {
  *out << link.near.ToString() << " -> " << link.far.ToString() << " target "
       << link.target.ToString() << " paths " << link.paths << " first "
       << link.first_seen.time_since_epoch().count() << " last "
       << link.last_seen.time_since_epoch().count() << " ttl "
       << int{link.min_ttl.value()} << " gap " << int{link.gap} << " flags "
       << int{link.flags};
}

}  // namespace fathom

#endif  // FATHOM_TESTS_LINKS_TESTING_H_
