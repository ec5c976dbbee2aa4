#include "src/links/link_builder.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include "src/links/path_builder.h"
#include "tests/links_testing.h"

namespace fathom {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr IpAddress kTarget = IpAddress::V4(0x0a09'0909);
constexpr Nanos kLimit = hours(1);

// The router called `name`.
constexpr IpAddress Router(char name) {
  return IpAddress::V4(0x0a00'0000 + static_cast<uint8_t>(name));
}

// A path is written as its cells from TTL 1 on, with a blank between:
//   .  silence            A  a hop      !A  a refusal
//   T  the target's answer  t  a hop with the target's address
//   ~A an alias           AB several responders at once
//   0  a hop without an address
// Replies come a second apart, in the order of TTLs.
std::vector<Reply> Parse(const std::string& text) {
  std::vector<Reply> replies;
  uint8_t ttl = 1;
  ReplyKind kind = ReplyKind::kHop;
  for (const char letter : text) {
    if (letter == ' ') ++ttl;
    if (letter == '!') kind = ReplyKind::kUnreachable;
    if (letter == '~') kind = ReplyKind::kAlias;
    if (letter != '0' && std::isalpha(letter) == 0) continue;
    Reply reply;
    reply.probe = {kTarget, Ttl(ttl), FlowId(0)};
    reply.responder = Router(letter);
    reply.kind = kind;
    reply.rtt = Nanos(1000);
    if (letter == 'T') reply.kind = ReplyKind::kDestination;
    if (letter == 'T' || letter == 't') reply.responder = kTarget;
    if (letter == '0') reply.responder = IpAddress::V4(0);
    reply.received = Instant(seconds(ttl));
    replies.push_back(reply);
    kind = ReplyKind::kHop;
  }
  return replies;
}

struct Built {
  std::vector<Link> links;
  LinkStats stats;
};

Built Build(std::vector<Reply> replies) {
  Built built;
  PathBuilder paths(built.stats);
  LinkBuilder builder(kLimit, built.stats);
  const auto sink = [&](const Path& path) { builder.Build(path, built.links); };
  replies = Sorted(std::move(replies));
  paths.Add(replies, sink);
  paths.Finish(sink);
  return built;
}

// Links as text, such as "A-B A-2-C !A-B": gaps by their number, with a letter
// for each flag before.
std::string Print(const std::vector<Link>& links) {
  std::string text;
  const auto name = [](const IpAddress& address) {
    return address == kTarget ? 'T' : static_cast<char>(address.v4());
  };
  for (const Link& link : links) {
    if (!text.empty()) text += ' ';
    if ((link.flags & kLinkToDestination) != 0) text += 'd';
    if ((link.flags & kLinkUnreachable) != 0) text += 'u';
    if ((link.flags & kLinkInLoop) != 0) text += 'l';
    if ((link.flags & kLinkWideInterval) != 0) text += 'w';
    if ((link.flags & kLinkUnsteady) != 0) text += 's';
    text += name(link.near);
    text += '-';
    if (link.gap > 0) text += std::to_string(link.gap) + '-';
    text += name(link.far);
  }
  return text;
}

struct Case {
  const char* path;
  const char* links;
  LinkStats stats;  // Replies, cells, paths and observations are checked apart.
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.path; }

class LinkTable : public testing::TestWithParam<Case> {};

TEST_P(LinkTable, IsFollowed) {
  const Built built = Build(Parse(GetParam().path));
  EXPECT_EQ(Print(built.links), GetParam().links);
  LinkStats expected = GetParam().stats;
  expected.replies = built.stats.replies;
  expected.duplicates = built.stats.duplicates;
  expected.cells = built.stats.cells;
  expected.repeats = built.stats.repeats;
  expected.paths = 1;
  expected.observations = built.links.size();
  EXPECT_EQ(built.stats, expected);
  EXPECT_EQ(built.stats.replies,
            built.stats.cells + built.stats.repeats + built.stats.duplicates);
}

LinkStats With(uint64_t LinkStats::*counter, uint64_t value = 1) {
  LinkStats stats;
  stats.*counter = value;
  return stats;
}
LinkStats With(LinkStats stats, uint64_t LinkStats::*counter,
               uint64_t value = 1) {
  stats.*counter = value;
  return stats;
}

using S = LinkStats;

INSTANTIATE_TEST_SUITE_P(
    Cases, LinkTable,
    testing::Values(
        // Neighbours.
        Case{"A", "", {}}, Case{"A B", "A-B", {}}, Case{"A B C", "A-B B-C", {}},
        Case{". . A B", "A-B", {}},
        // The destination ends the path, at its least TTL.
        Case{"A T", "dA-T", With(&S::destinations)},
        Case{"T", "", With(&S::destinations)},
        Case{"A T T T", "dA-T",
             With(With(&S::destinations), &S::cells_after_end, 2)},
        Case{"A T . B C", "dA-T",
             With(With(&S::destinations), &S::cells_after_end, 2)},
        Case{"A . T", "dA-1-T", With(&S::destinations)},
        // Refusals.
        Case{"A !B", "uA-B", With(&S::unreachable)},
        Case{"A B !C !C", "A-B uB-C",
             With(With(&S::unreachable), &S::cells_after_end)},
        Case{"A !B C D", "uA-B",
             With(With(&S::unreachable), &S::cells_after_end, 2)},
        Case{"A . !B", "uA-1-B", With(&S::unreachable)},
        Case{"A B !B", "A-B", With(With(&S::unreachable), &S::self_edges)},
        // Aliases.
        Case{"A ~B", "", With(&S::aliases)},
        Case{"A B ~C D E", "A-B",
             With(With(&S::aliases), &S::cells_after_end, 2)},
        Case{"A . ~B", "", With(&S::aliases)},
        // Silence.
        Case{"A . B", "A-1-B", {}}, Case{"A . . . B C", "A-3-B B-C", {}},
        // One responder at two TTLs.
        Case{"A A B", "A-B", With(&S::self_edges)},
        Case{"A B B C C D", "A-B B-C C-D", With(&S::self_edges, 2)},
        // Loops.
        Case{"A B A", "lA-B", With(&S::loops)},
        Case{"A B C B C B", "lA-B lB-C",
             With(With(&S::loops), &S::cells_after_end, 2)},
        Case{"A . A B", "", With(With(&S::loops), &S::cells_after_end)},
        Case{"A A A B", "",
             With(With(With(&S::loops), &S::self_edges), &S::cells_after_end)},
        Case{"A B . C !A", "lA-B lB-1-C", With(&S::loops)},
        Case{"A B C A T", "lA-B lB-C",
             With(With(&S::loops), &S::cells_after_end)},
        // Several responders.
        Case{"A BC D", "", With(&S::ambiguous_cells)},
        Case{"A B CD E F", "sA-B sE-F", With(&S::ambiguous_cells)},
        Case{"A . BC D E", "sD-E", With(&S::ambiguous_cells)},
        Case{"A BC . D", "", With(&S::ambiguous_cells)},
        Case{"A BB C", "A-B B-C", {}},
        Case{"A B!B C", "",
             With(With(&S::ambiguous_cells), &S::cells_after_end)},
        Case{"A BT C D", "",
             With(With(&S::ambiguous_cells), &S::cells_after_end, 2)},
        Case{"A BC B D", "sB-D", With(&S::ambiguous_cells)},
        Case{"A B C D EF G H", "A-B sB-C sC-D sG-H", With(&S::ambiguous_cells)},
        Case{"A B T TC D", "A-B dB-T",
             With(With(&S::destinations), &S::cells_after_end, 2)},
        // The target's address, and what can be no router's.
        Case{"A t B", "", With(With(&S::target_hops), &S::cells_after_end)},
        Case{"A B t T", "A-B",
             With(With(&S::target_hops), &S::cells_after_end)},
        Case{"A 0 B C", "B-C", With(&S::unusable_cells)},
        Case{"A 0 . B", "", With(&S::unusable_cells)}));

TEST(LinkBuilder, TellsRepeatedProbesFromRepeatedReplies) {
  auto replies = Parse("A BB CCC");
  // The second B answers a probe sent two seconds later; of the Cs, two answer
  // one probe.
  replies[2].received += seconds(2);
  replies[5].received += seconds(7);
  const Built built = Build(replies);
  EXPECT_EQ(Print(built.links), "A-B B-C");
  EXPECT_EQ(built.stats.cells, 3U);
  EXPECT_EQ(built.stats.repeats, 2U);
  EXPECT_EQ(built.stats.duplicates, 1U);
  EXPECT_EQ(built.stats.answered(), 5U);
}

TEST(LinkBuilder, TellsWhenAndWhereALinkWasSeen) {
  auto replies = Parse(". A B");
  replies[0].received = Instant(seconds(90));
  const Built built = Build(replies);
  ASSERT_EQ(built.links.size(), 1U);
  EXPECT_EQ(built.links[0], (Link{.near = Router('A'),
                                  .far = Router('B'),
                                  .target = kTarget,
                                  .first_seen = Instant(seconds(3)),
                                  .last_seen = Instant(seconds(90)),
                                  .min_ttl = Ttl(2)}));
}

TEST(LinkBuilder, ANearThatStaysCountsFromTheNearerTtlOfThePair) {
  const Built built = Build(Parse("A A B"));
  EXPECT_EQ(built.links[0].min_ttl, Ttl(2));
}

TEST(LinkBuilder, MarksPairsWhoseProbesWereFarApart) {
  // Received, round-trip time of the second reply; the first is at 0 with none.
  const std::vector<std::tuple<Nanos, Nanos, bool>> cases = {
      {kLimit, Nanos(0), false},
      {kLimit + Nanos(1), Nanos(0), true},
      {kLimit + seconds(1), seconds(1), false},
      {kLimit + seconds(1), kUnknownRtt, true},
      {-kLimit, Nanos(0), false},
      {-kLimit - Nanos(1), Nanos(0), true},
      {-kLimit, Nanos(1), true},
      {Nanos::max(), Nanos(0), true},
      {Nanos::min(), Nanos::max(), true},
      {Nanos::max(), Nanos::max(), false},
  };
  for (const auto& [received, rtt, wide] : cases) {
    auto replies = Parse("A B");
    replies[0].received = Instant();
    replies[0].rtt = Nanos(0);
    replies[1].received = Instant(received);
    replies[1].rtt = rtt;
    EXPECT_EQ(Print(Build(replies).links), wide ? "wA-B" : "A-B")
        << received.count() << " " << rtt.count();
  }
}

TEST(LinkBuilder, DescribesACellByItsEarliestReply) {
  auto replies = Parse("A B B");
  replies[2].probe.ttl = Ttl(2);
  replies[2].received = Instant(hours(9));
  for (int turn = 0; turn < 2; ++turn) {
    const Built built = Build(replies);
    EXPECT_EQ(Print(built.links), "A-B");
    EXPECT_EQ(built.links[0].last_seen, Instant(seconds(2)));
    EXPECT_EQ(built.stats.repeats, 1U);
    std::swap(replies[1], replies[2]);
  }
}

TEST(LinkBuilder, NeverJoinsFlowsOrTargets) {
  auto replies = Parse("A B C D");
  replies[1].probe.flow = FlowId(1);
  replies[3].probe.target = IpAddress::V4(0x0a09'0908);
  const Built built = Build(replies);
  EXPECT_EQ(Print(built.links), "A-1-C");
  EXPECT_EQ(built.stats.paths, 3U);
}

TEST(LinkBuilder, KnowsAddressesThatAreNoRouters) {
  for (const char* text :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255",
        "255.255.255.255", "::", "::1", "ff02::1"}) {
    auto replies = Parse("A B C");
    replies[1].responder = *IpAddress::Parse(text);
    EXPECT_EQ(Print(Build(replies).links), "") << text;
  }
  for (const char* text : {"1.0.0.0", "10.0.0.1", "223.255.255.255",
                           "240.0.0.1", "::2", "fe80::1", "2001:db8::1"}) {
    auto replies = Parse("A B C");
    replies[1].responder = *IpAddress::Parse(text);
    EXPECT_EQ(Build(replies).links.size(), 2U) << text;
  }
}

Link AnyLink(Random& random) {
  Link link;
  link.near = Router('A');
  link.far = Router('B');
  link.target = IpAddress::V4(static_cast<uint32_t>(Below(random, 9)));
  link.paths = Below(random, 9);
  link.first_seen = Instant(Nanos(Below(random, 9)));
  link.last_seen = Instant(Nanos(Below(random, 9)));
  link.min_ttl = Ttl(static_cast<uint8_t>(Below(random, 9)));
  link.flags = static_cast<uint8_t>(Below(random, 16));
  return link;
}

// A label with this TTL, as RFC 4950 has it.
std::span<const std::byte> Label(uint8_t ttl) {
  static const auto kObjects = [] {
    std::array<std::array<std::byte, 8>, 256> objects{};
    for (size_t i = 0; i < objects.size(); ++i) {
      objects[i] = {std::byte{0}, std::byte{8}, std::byte{1}, std::byte{1},
                    std::byte{1}, std::byte{2}, std::byte{1}, std::byte(i)};
    }
    return objects;
  }();
  return kObjects[ttl];
}

// The tunnel flags of the links between hops that quote `ttls` and name the
// label TTLs `labels`, 0 for none: 'i' inside, 'x' across, '-' neither.
std::string Tunnels(const std::vector<uint8_t>& ttls,
                    const std::vector<uint8_t>& labels) {
  std::vector<Reply> replies = Parse("A B C D E");
  for (size_t i = 0; i < replies.size(); ++i) {
    replies[i].quoted_ttl = Ttl(ttls[i]);
    if (labels[i] != 0) replies[i].extensions.bytes = Label(labels[i]);
  }
  std::string text;
  for (const Link& link : Build(replies).links) {
    const int flags = link.flags & (kLinkInTunnel | kLinkAcrossTunnel);
    text += flags == 0 ? '-' : flags == kLinkInTunnel ? 'i' : 'x';
  }
  return text;
}

TEST(Tunnels, ShowByTheirLabels) {
  // The last router behind labels is reached without one.
  EXPECT_EQ(Tunnels({1, 1, 1, 1, 1}, {0, 1, 1, 0, 0}), "ii--");
  // Labels that start at 255 show only at the end.
  EXPECT_EQ(Tunnels({1, 1, 1, 1, 1}, {0, 0, 252, 0, 0}), "-x--");
  EXPECT_EQ(Tunnels({1, 1, 1, 1, 1}, {0, 0, 2, 0, 0}), "-x--");
  EXPECT_EQ(Tunnels({1, 1, 1, 1, 1}, {0, 0, 255, 0, 0}), "-i--");
}

TEST(Tunnels, ShowByQuotedTtlsThatRise) {
  EXPECT_EQ(Tunnels({1, 1, 2, 3, 1}, {0, 0, 0, 0, 0}), "-ii-");
  // A hop that always quotes another TTL than it saw is no tunnel.
  EXPECT_EQ(Tunnels({1, 1, 7, 1, 1}, {0, 0, 0, 0, 0}), "----");
  EXPECT_EQ(Tunnels({1, 0, 1, 1, 1}, {0, 0, 0, 0, 0}), "----");
}

TEST(MergeLinks, CommutesAndAssociates) {
  Random random(1);
  const auto merged = [](Link a, const Link& b) {
    MergeInto(a, b);
    return a;
  };
  for (int i = 0; i < 10'000; ++i) {
    const Link a = AnyLink(random);
    const Link b = AnyLink(random);
    const Link c = AnyLink(random);
    ASSERT_EQ(merged(a, b), merged(b, a));
    ASSERT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
  }
}

TEST(MergeLinks, KeepsDoubtsOnlyIfAllHaveThemAndFactsIfOneHas) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      Link link;
      link.flags = static_cast<uint8_t>(a);
      Link other;
      other.flags = static_cast<uint8_t>(b);
      MergeInto(link, other);
      constexpr unsigned kFacts = kLinkToDestination | kLinkInTunnel;
      EXPECT_EQ(link.flags, ((a | b) & kFacts) | (a & b & ~kFacts));
      EXPECT_EQ(link.paths, 2U);
    }
  }
}

}  // namespace
}  // namespace fathom
