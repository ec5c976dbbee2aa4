#ifndef FATHOM_TESTS_DATASET_CONTENTS_H_
#define FATHOM_TESTS_DATASET_CONTENTS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "tests/kept_reply.h"

namespace fathom {

// Whole datasets as values, and to the disk and back.

inline constexpr char kManifest[] = "{\"tool\": \"test\", \"n\": [1, 2]}";

inline std::unique_ptr<DatasetWriter> CreateDataset(const std::string& path) {
  const auto module = Register<FormatModule>::Find("parquet");
  EXPECT_TRUE(module.ok()) << module.status();
  auto writer = module->create({.path = path});
  EXPECT_TRUE(writer.ok()) << writer.status();
  return writer.ok() ? *std::move(writer) : nullptr;
}

struct Contents {
  std::string manifest;
  std::vector<Reply> replies = {};
  std::vector<Link> links = {};

  friend bool operator==(const Contents&, const Contents&) = default;
};

inline absl::StatusOr<Contents> ReadDataset(const std::string& path) {
  auto reader = OpenDataset(path);
  if (!reader.ok()) return reader.status();
  Contents contents;
  contents.manifest = (*reader)->manifest();
  for (;;) {
    const auto replies = (*reader)->NextReplies();
    if (!replies.ok()) return replies.status();
    if (replies->empty()) break;
    for (const Reply& reply : *replies) contents.replies.push_back(Keep(reply));
  }
  for (;;) {
    const auto links = (*reader)->NextLinks();
    if (!links.ok()) return links.status();
    if (links->empty()) return contents;
    contents.links.insert(contents.links.end(), links->begin(), links->end());
  }
}

inline void WriteDataset(const std::string& path, const Contents& contents) {
  const auto writer = CreateDataset(path);
  ASSERT_NE(writer, nullptr);
  ASSERT_TRUE(writer->WriteReplies(contents.replies).ok());
  ASSERT_TRUE(writer->WriteLinks(contents.links).ok());
  const auto status = writer->Finish(contents.manifest);
  ASSERT_TRUE(status.ok()) << status;
}

// What comes back of a reply: times to the precision of the columns.
inline Reply AsStored(Reply reply) {
  reply.received = Instant(std::chrono::floor<std::chrono::seconds>(
      reply.received.time_since_epoch()));
  if (reply.rtt != kUnknownRtt) {
    reply.rtt = (reply.rtt + std::chrono::microseconds(50)) /
                std::chrono::microseconds(100) * std::chrono::microseconds(100);
  }
  return reply;
}

inline Link AsStored(Link link) {
  for (Instant* time : {&link.first_seen, &link.last_seen}) {
    *time = Instant(
        std::chrono::floor<std::chrono::seconds>(time->time_since_epoch()));
  }
  return link;
}

inline Contents AsStored(Contents contents) {
  for (Reply& reply : contents.replies) reply = AsStored(reply);
  for (Link& link : contents.links) link = AsStored(link);
  // Links come back before gaps.
  std::stable_partition(contents.links.begin(), contents.links.end(),
                        [](const Link& link) { return link.gap == 0; });
  return contents;
}

inline Contents MakeContents(uint32_t targets, Family family = Family::kIpv4) {
  const SyntheticScan scan(targets, family);
  Contents contents;
  contents.manifest = kManifest;
  contents.replies = scan.Hops(0, targets);
  contents.links = SyntheticScan::Links(contents.replies);
  return contents;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_DATASET_CONTENTS_H_
