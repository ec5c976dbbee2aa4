#include "src/links/build_dataset.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "src/links/reply_spool.h"
#include "src/links/sorted_replies.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Output {
  std::vector<Reply> replies;
  std::vector<Link> links;
  LinkStats stats;
};

struct HowToSpool {
  std::vector<IpAddress> boundaries{};
  size_t buffer_records = 16;
  size_t max_bucket_records = 1'000'000;
  size_t max_links = 1'000'000;
  bool verify = false;
};

// Replies through a spool into rows.
Output Through(const std::vector<Reply>& replies, const HowToSpool& how) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  {
    // Left to its destructor, which writes all but does not wait for the disk.
    auto spool = *ReplySpool::Create(
        path,
        {.boundaries = how.boundaries, .buffer_records = how.buffer_records});
    spool->inlet(0).Consume(Instant(seconds(1)), replies);
  }
  const auto reader = *SpoolReader::Open(path);
  LinkOptions options;
  options.max_bucket_records = how.max_bucket_records;
  options.verify = how.verify;
  options.merge = {.max_links = how.max_links,
                   .temp_directory = directory.path()};
  MemoryWriter writer;
  const auto stats = BuildDataset(*reader, options, writer);
  EXPECT_TRUE(stats.ok()) << stats.status();
  EXPECT_FALSE(writer.finished);
  return {writer.replies, writer.links, *stats};
}

// A small world in which all that can go wrong does so often: few addresses,
// so that paths repeat themselves and each other.
std::vector<Reply> SmallWorld(Random& random) {
  const Family family = Below(random, 3) == 0 ? Family::kIpv6 : Family::kIpv4;
  const uint64_t routers = 2 + Below(random, 40);
  const uint64_t targets = 1 + Below(random, 12);
  const uint64_t trouble = 1 + Below(random, 40);  // One reply in so many.
  const auto address = [family](uint64_t number) {
    return family == Family::kIpv4
               ? IpAddress::V4(0x0a00'0000 + static_cast<uint32_t>(number))
               : IpAddress::V6(uint64_t{0x2001'0db8} << 32, number);
  };
  std::vector<Reply> replies;
  const uint64_t count = Below(random, 400);
  for (uint64_t i = 0; i < count; ++i) {
    Reply reply;
    reply.probe = {address(1000 + Below(random, targets)),
                   Ttl(static_cast<uint8_t>(1 + Below(random, 12))),
                   FlowId(static_cast<uint16_t>(Below(random, 3)))};
    // Mostly the router one expects there, so that links repeat.
    reply.responder =
        address(Below(random, 4) == 0
                    ? Below(random, routers)
                    : reply.probe.ttl.value() * 3U + reply.probe.flow.value());
    reply.received = Instant(minutes(Below(random, 100)));
    reply.rtt =
        Below(random, 9) == 0 ? kUnknownRtt : Nanos(minutes(Below(random, 30)));
    if (Below(random, trouble) == 0) {
      reply.kind = static_cast<ReplyKind>(Below(random, 4));
      if (Below(random, 2) == 0) reply.responder = reply.probe.target;
      if (Below(random, 9) == 0) reply.responder = IpAddress::V4(0);
      if (reply.kind == ReplyKind::kDestination) {
        reply.responder = reply.probe.target;
      }
    }
    replies.push_back(reply);
    if (Below(random, 10) == 0) replies.push_back(reply);
  }
  return replies;
}

// The table of which links may be asserted, once more and as plainly as
// possible: it looks at one pair of TTLs at a time, with all replies at hand.
class NaiveLinks {
 public:
  explicit NaiveLinks(const std::vector<Reply>& replies, bool verify = false)
      : verify_(verify) {
    for (const Reply& reply : Sorted(replies)) {
      paths_[{reply.probe.target, reply.probe.flow}][reply.probe.ttl.value()]
          .push_back(reply);
    }
    for (const auto& [id, cells] : paths_) AddPath(id.first, cells);
  }

  std::vector<Link> Rows() const {
    std::vector<Link> rows;
    for (const auto& [key, row] : rows_) rows.push_back(row);
    return rows;
  }

 private:
  using Cells = std::map<int, std::vector<Reply>>;

  static bool Ends(const std::vector<Reply>& cell) {
    return std::any_of(cell.begin(), cell.end(), [](const Reply& reply) {
      return reply.kind != ReplyKind::kHop ||
             reply.responder == reply.probe.target;
    });
  }

  static Instant Sent(const Reply& r) {
    return r.rtt == kUnknownRtt ? r.received : r.received - r.rtt;
  }

  using Answer = std::pair<IpAddress, ReplyKind>;
  static Answer AnswerOf(const Reply& r) { return {r.responder, r.kind}; }

  // A cell as it stands: since when all answers were alike, and to how many
  // probes.
  struct Seen {
    Reply reply{};
    Instant last_sent{};
    int answers = 0;
    bool several = false;
    bool mixed = false;

    bool Settled() const { return !several || (!mixed && answers >= 3); }
    bool Sure() const { return Settled() && answers >= 2; }
    bool Single() const {
      return Settled() && reply.responder != IpAddress::V4(0);
    }
  };

  static Seen Look(const std::vector<Reply>& cell) {
    std::vector<Instant> probes;
    std::vector<Answer> before;
    Seen seen;
    for (const Reply& reply : cell) {
      const Nanos copy =
          reply.rtt == kUnknownRtt ? milliseconds(500) : milliseconds(1);
      bool another = probes.size() < 16;
      for (const Instant sent : probes) {
        const Nanos apart = Sent(reply) - sent;
        another &= apart > copy || apart < -copy;
      }
      if (&reply == &cell.front()) {
        probes.push_back(Sent(reply));
        seen = {.reply = reply, .last_sent = Sent(reply), .answers = 1};
        continue;
      }
      if (another) probes.push_back(Sent(reply));
      if (AnswerOf(reply) == AnswerOf(seen.reply)) {
        if (another) {
          ++seen.answers;
          seen.last_sent = std::max(seen.last_sent, Sent(reply));
        }
        continue;
      }
      seen.several = true;
      seen.mixed |= !another;
      if (!another) continue;
      before.push_back(AnswerOf(seen.reply));
      seen.mixed |= before.size() > 4 ||
                    std::count(before.begin(), before.end(), AnswerOf(reply));
      seen.reply = reply;
      seen.last_sent = Sent(reply);
      seen.answers = 1;
    }
    return seen;
  }

  // The TTL at which the path comes back to an address; 999 if it does not.
  static int LoopAt(const Cells& cells, int end) {
    for (const auto& [ttl, cell] : cells) {
      if (ttl > end || !Look(cell).Single()) continue;
      const Reply reply = Look(cell).reply;
      if (reply.kind == ReplyKind::kAlias) continue;
      if (reply.kind == ReplyKind::kHop &&
          reply.responder == reply.probe.target) {
        continue;
      }
      for (int before = 0; before < ttl - 1; ++before) {
        if (cells.contains(before) && Look(cells.at(before)).Single() &&
            Look(cells.at(before)).reply.responder == reply.responder) {
          return ttl;
        }
      }
    }
    return 999;
  }

  void AddPath(const IpAddress& target, const Cells& cells) {
    int end = 999;
    for (const auto& [ttl, cell] : cells) {
      if (Ends(cell)) end = std::min(end, ttl);
    }
    const int loop = LoopAt(cells, end);
    int unsteady = 999;  // The first TTL with several answers,
    int mixed = 999;     // and with answers to and fro.
    for (const auto& [ttl, cell] : cells) {
      if (ttl > end) continue;
      if (Look(cell).several) unsteady = std::min(unsteady, ttl);
      if (Look(cell).mixed) mixed = std::min(mixed, ttl);
    }
    for (const auto& [h, near] : cells) {
      const auto next = cells.upper_bound(h);
      if (next == cells.end() || next->first > end || next->first >= loop) {
        continue;
      }
      const Seen from = Look(near), to = Look(next->second);
      if (!from.Single() || !to.Single()) continue;
      const Reply& a = from.reply;
      const Reply& b = to.reply;
      const Nanos apart = std::max(
          {Nanos(0), Sent(b) - from.last_sent, Sent(a) - to.last_sent});
      const bool sure = from.Sure() && to.Sure() && apart == Nanos(0);
      if (!sure && (from.several || to.several)) continue;
      if (b.kind == ReplyKind::kAlias || a.responder == b.responder) continue;
      if (b.kind == ReplyKind::kHop && b.responder == target) continue;
      AddLink(a, b,
              (loop < 999 ? 4 : 0) + (apart > hours(1) ? 8 : 0) +
                  (next->first >= (sure ? mixed : unsteady) - 2 ? 16 : 0) +
                  (verify_ && !sure ? 32 : 0));
    }
  }

  void AddLink(const Reply& a, const Reply& b, int doubts) {
    Link link;
    link.near = a.responder;
    link.far = b.responder;
    link.target = a.probe.target;
    link.first_seen = std::min(a.received, b.received);
    link.last_seen = std::max(a.received, b.received);
    link.min_ttl = a.probe.ttl;
    link.gap =
        static_cast<uint8_t>(b.probe.ttl.value() - a.probe.ttl.value() - 1);
    const bool destination = b.kind == ReplyKind::kDestination;
    const bool refused = b.kind == ReplyKind::kUnreachable;
    link.flags = static_cast<uint8_t>((destination ? 1 : 0) +
                                      (refused ? 2 : 0) + doubts);
    const auto [row, is_new] =
        rows_.try_emplace({link.near, link.far, link.gap}, link);
    if (is_new) return;
    Link& sum = row->second;
    ++sum.paths;
    sum.target = std::min(sum.target, link.target);
    sum.first_seen = std::min(sum.first_seen, link.first_seen);
    sum.last_seen = std::max(sum.last_seen, link.last_seen);
    sum.min_ttl = std::min(sum.min_ttl, link.min_ttl);
    sum.flags = static_cast<uint8_t>((sum.flags & link.flags & 190) |
                                     ((sum.flags | link.flags) & 1));
  }

  const bool verify_;
  std::map<std::pair<IpAddress, FlowId>, Cells> paths_;
  std::map<std::tuple<IpAddress, IpAddress, uint8_t>, Link> rows_;
};

std::vector<IpAddress> SomeBoundaries(const std::vector<Reply>& replies,
                                      Random& random) {
  std::set<IpAddress> boundaries;
  for (uint64_t i = 0; i < Below(random, 10) && !replies.empty(); ++i) {
    boundaries.insert(replies[Below(random, replies.size())].probe.target);
  }
  return {boundaries.begin(), boundaries.end()};
}

TEST(BuildDataset, AgreesWithTheTableOverManySmallWorlds) {
  LinkStats sum;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const auto world = SmallWorld(random);
    const bool verify = seed % 2 == 1;
    const Output output = Through(
        world, {.boundaries = SomeBoundaries(world, random), .verify = verify});
    ASSERT_EQ(output.replies, Sorted(world)) << seed;
    ASSERT_EQ(output.links, NaiveLinks(world, verify).Rows()) << seed;

    const LinkStats& stats = output.stats;
    ASSERT_EQ(stats.replies, world.size());
    ASSERT_EQ(stats.replies, stats.cells + stats.repeats + stats.duplicates);
    ASSERT_EQ(stats.links + stats.gaps, output.links.size());
    uint64_t paths = 0;
    for (const Link& link : output.links) paths += link.paths;
    ASSERT_EQ(stats.observations, paths);
    ASSERT_LE(stats.destinations + stats.unreachable + stats.aliases +
                  stats.target_hops + stats.loops,
              stats.paths);
    sum.destinations += stats.destinations;
    sum.unreachable += stats.unreachable;
    sum.aliases += stats.aliases;
    sum.target_hops += stats.target_hops;
    sum.loops += stats.loops;
    sum.self_edges += stats.self_edges;
    sum.ambiguous_cells += stats.ambiguous_cells;
    sum.unusable_cells += stats.unusable_cells;
    sum.gaps += stats.gaps;
  }
  // The worlds showed every case of the table.
  for (const uint64_t count :
       {sum.destinations, sum.unreachable, sum.aliases, sum.target_hops,
        sum.loops, sum.self_edges, sum.ambiguous_cells, sum.unusable_cells,
        sum.gaps}) {
    EXPECT_GT(count, 50U);
  }
}

TEST(BuildDataset, DoesNotDependOnOrderNorOnHowItWasSpooled) {
  for (uint64_t seed = 1000; seed < 1100; ++seed) {
    Random random(seed);
    auto world = SmallWorld(random);
    const Output plain = Through(world, {});
    std::shuffle(world.begin(), world.end(), random);
    const Output other =
        Through(world, {.boundaries = SomeBoundaries(world, random),
                        .buffer_records = 1 + Below(random, 9),
                        .max_bucket_records = 1 + Below(random, 50),
                        .max_links = 1 + Below(random, 9)});
    ASSERT_EQ(other.replies, plain.replies) << seed;
    ASSERT_EQ(other.links, plain.links) << seed;
    LinkStats stats = other.stats;
    stats.spilled_runs = 0;
    ASSERT_EQ(stats, plain.stats) << seed;
  }
}

TEST(BuildDataset, KeepsToTheMemoryThatItIsGiven) {
  for (const uint64_t bytes :
       {kLeastBuildMemory, kBuildMemory, uint64_t{64'000'000'000}}) {
    const LinkOptions options = WithMemory(bytes);
    // 80 bytes a reply; 89 bytes a link, and half as much while that doubles.
    const uint64_t taken =
        options.max_bucket_records * 80 + options.merge.max_links * (89 + 45);
    EXPECT_LE(taken, bytes);
    EXPECT_GE(taken, bytes / 2);
  }
}

TEST(BuildDataset, GivesNothingForAnEmptySpool) {
  const Output output = Through({}, {});
  EXPECT_TRUE(output.replies.empty());
  EXPECT_TRUE(output.links.empty());
  EXPECT_EQ(output.stats, LinkStats{});
}

class FailingWriter final : public DatasetWriter {
 public:
  explicit FailingWriter(bool on_links) : on_links_(on_links) {}
  absl::Status WriteReplies(std::span<const Reply>) override {
    return on_links_ ? absl::OkStatus() : absl::ResourceExhaustedError("full");
  }
  absl::Status WriteLinks(std::span<const Link>) override {
    return absl::ResourceExhaustedError("full");
  }
  absl::Status Finish(const std::string&) override { return absl::OkStatus(); }

 private:
  const bool on_links_;
};

TEST(BuildDataset, PassesOnTheErrorsOfTheWriter) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  Random random(1);
  auto world = SmallWorld(random);
  while (world.size() < 100) world = SmallWorld(random);
  auto spool = *ReplySpool::Create(path, {});
  spool->inlet(0).Consume(Instant(), world);
  ASSERT_TRUE(spool->Close(Instant(), "").ok());
  const auto reader = *SpoolReader::Open(path);
  for (const bool on_links : {false, true}) {
    FailingWriter writer(on_links);
    EXPECT_EQ(BuildDataset(*reader, {}, writer).status(),
              absl::ResourceExhaustedError("full"));
  }
}

TEST(SortedReplies, SortsABucketFarAboveItsBoundEvenIfOneCellIsFlooded) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("spool");
  auto spool = *ReplySpool::Create(path, {.buffer_records = 1000});
  Random random(1);
  std::vector<Reply> replies;
  for (int i = 0; i < 100'000; ++i) {
    Reply reply;
    reply.probe.target = IpAddress::V4(1);
    reply.received = Instant(Nanos(Below(random, 1U << 30)));
    replies.push_back(reply);
  }
  spool->inlet(0).Consume(Instant(), replies);
  ASSERT_TRUE(spool->Close(Instant(), "").ok());
  const auto reader = *SpoolReader::Open(path);
  std::vector<Reply> sorted;
  ASSERT_TRUE(ForEachSorted(*reader, 0, 10'000,
                            [&sorted](std::span<const Reply> batch) {
                              for (const Reply& r : batch) {
                                sorted.push_back(Keep(r));
                              }
                              return absl::OkStatus();
                            })
                  .ok());
  EXPECT_EQ(sorted, Sorted(replies));
}

}  // namespace
}  // namespace fathom
