// Results of other scanners, read back: made ones, real ones and bad ones.

#include "src/found/found.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "tests/dataset_contents.h"
#include "tests/found_formats.h"
#include "tests/temporary_directory.h"

namespace fathom::found {
namespace {

using Edge = std::pair<uint32_t, uint32_t>;

std::set<Edge> Edges(const FoundTopology& found) {
  std::set<Edge> edges;
  for (const FoundLink& link : found.links) edges.emplace(link.near, link.far);
  EXPECT_EQ(edges.size(), found.links.size());
  return edges;
}

// Paths with silence in them, each to a target that may answer.
Scan RandomScan(uint64_t seed, int targets) {
  std::mt19937_64 random(seed);
  const auto draw = [&random](uint32_t count) {
    return static_cast<uint32_t>(random() % count);
  };
  Scan scan;
  for (int i = 0; i < targets; ++i) {
    const uint32_t target = 0x04000001 + static_cast<uint32_t>(i) * 256;
    const uint32_t length = 1 + draw(20);
    for (uint32_t ttl = 1; ttl <= length; ++ttl) {
      if (draw(5) == 0) continue;
      scan.push_back({.target = target,
                      .ttl = static_cast<uint8_t>(ttl),
                      .responder = 0x0a000000 + ttl * 8 + draw(3)});
    }
    if (draw(3) > 0) {
      scan.push_back({.target = target,
                      .ttl = static_cast<uint8_t>(length + 1),
                      .responder = target,
                      .kind = ReplyKind::kDestination});
    }
  }
  return scan;
}

std::set<Edge> NaiveLinks(const Scan& scan) {
  std::set<Edge> edges;
  for (const FoundHop& a : scan) {
    for (const FoundHop& b : scan) {
      if (a.target == b.target && a.ttl + 1 == b.ttl) {
        edges.emplace(a.responder, b.responder);
      }
    }
  }
  return edges;
}

class FoundTest : public testing::Test {
 protected:
  std::string Save(const std::string& name, std::string_view bytes) {
    WriteFile(directory_.Path(name), bytes);
    return directory_.Path(name);
  }

  FoundTopology Read(const std::string& path,
                     const std::string& format = "auto") {
    auto found = ReadFound(path, format);
    EXPECT_TRUE(found.ok()) << path << ": " << found.status();
    return found.ok() ? *std::move(found) : FoundTopology();
  }

  TemporaryDirectory directory_;
};

TEST_F(FoundTest, ReadsOneScanAlikeInEveryFormat) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Scan scan = RandomScan(seed, 40);
    const std::set<Edge> links = NaiveLinks(scan);
    std::set<uint32_t> interfaces;
    for (const FoundHop& hop : scan) interfaces.insert(hop.responder);
    for (const auto& [name, bytes] : InEveryFormat(scan)) {
      const FoundTopology found = Read(Save(name, bytes));
      EXPECT_TRUE(name.starts_with(found.format)) << name << found.format;
      EXPECT_EQ(Edges(found), links) << name << ", seed " << seed;
      EXPECT_TRUE(std::equal(interfaces.begin(), interfaces.end(),
                             found.interfaces.begin(), found.interfaces.end()))
          << name << ", seed " << seed;
      EXPECT_EQ(found.hops % scan.size(), 0U) << name;  // Some say it twice.
    }
  }
}

TEST_F(FoundTest, AgreesOnTargetsAndDistances) {
  const Scan scan = RandomScan(5, 60);
  const FoundTopology first = Read(Save("yarrp", AsYarrp(scan)));
  for (const auto& [name, bytes] : InEveryFormat(scan)) {
    EXPECT_EQ(Read(Save(name, bytes)).links, first.links) << name;
  }
}

TEST_F(FoundTest, KnowsEachFileInExactlyOneFormat) {
  auto files = InEveryFormat(RandomScan(3, 5));
  files.emplace_back("masscan", "#masscan\nopen icmp 0 10.0.0.1 17\n# end\n");
  files.emplace_back("zmap", "saddr,success\n10.0.0.1,1\n");
  files.emplace_back("zmap-bare", "10.0.0.1\n10.0.0.2\n");
  files.emplace_back("jsonl", "{\"near\":\"10.0.0.1\",\"far\":\"10.0.0.2\"}\n");
  files.emplace_back("csv-bare", "10.0.0.1,10.0.0.2\n");
  files.emplace_back("text", "hello\n");
  for (const auto& [name, bytes] : files) {
    int known = 0;
    for (const FoundFormat& format : Register<FoundFormat>::All()) {
      known += format.knows(name, std::string_view(bytes).substr(0, 4096));
    }
    EXPECT_EQ(known, name == "text" ? 0 : 1) << name;
  }
}

// A dataset, its links as CSV and JSON lines, and its hops as both.
TEST_F(FoundTest, ReadsADatasetAndItsConversionsAlike) {
  const Scan scan = RandomScan(9, 60);
  const FoundTopology expected = Read(Save("yarrp", AsYarrp(scan)));
  const std::string csv = directory_.Path("l.csv");
  const std::string jsonl = directory_.Path("l.jsonl");
  const std::string hops_csv = directory_.Path("h.csv");
  const std::string hops_jsonl = directory_.Path("h.jsonl");
  for (const auto& [format, options] :
       std::vector<std::pair<const char*, FormatOptions>>{
           {"parquet", {.path = directory_.Path("dataset")}},
           {"csv", {.path = csv}},
           {"jsonl", {.path = jsonl}},
           {"csv", {.path = hops_csv, .table = Table::kHops}},
           {"jsonl", {.path = hops_jsonl, .table = Table::kHops}}}) {
    const auto writer = Register<FormatModule>::Find(format)->create(options);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (const FoundHop& hop : scan) {
      const Reply reply = {
          .probe = {IpAddress::V4(hop.target), Ttl(hop.ttl), FlowId(hop.flow)},
          .responder = IpAddress::V4(hop.responder),
          .kind = hop.kind};
      ASSERT_TRUE((*writer)->WriteReplies({&reply, 1}).ok());
    }
    for (const FoundLink& found : expected.links) {
      Link link = {.near = IpAddress::V4(found.near),
                   .far = IpAddress::V4(found.far),
                   .target = IpAddress::V4(found.target),
                   .min_ttl = Ttl(found.ttl),
                   .flags = found.flags};
      ASSERT_TRUE((*writer)->WriteLinks({&link, 1}).ok());
      link.gap = 1;  // Claims nothing, and must not be read as a link.
      ASSERT_TRUE((*writer)->WriteLinks({&link, 1}).ok());
    }
    ASSERT_TRUE((*writer)->Finish("{}").ok());
  }
  for (const std::string& path :
       {directory_.Path("dataset"), csv, jsonl, hops_csv, hops_jsonl}) {
    EXPECT_EQ(Read(path).links, expected.links) << path;
  }
  for (const std::string& path :
       {directory_.Path("dataset"), hops_csv, hops_jsonl}) {
    EXPECT_EQ(Read(path).interfaces, expected.interfaces) << path;
  }
}

// 10.1.0.2, 10.2.0.2, 10.3.0.2, 10.4.0.2: see tests/data/found/README.md.
constexpr uint32_t Router(uint32_t i) { return 0x0a000002 + (i << 16); }
constexpr uint32_t kHost = 0x0ac80001;        // 10.200.0.1
constexpr uint32_t kSecondHost = 0x0ac80101;  // 10.200.1.1

std::string Data(const std::string& name) {
  return std::string(FATHOM_TEST_DATA) + "/found/" + name;
}

TEST_F(FoundTest, ReadsWhatRealScannersWrote) {
  const std::set<Edge> chain = {
      {Router(1), Router(2)}, {Router(2), Router(3)}, {Router(3), kHost}};
  EXPECT_EQ(Edges(Read(Data("mtr.json"))), chain);
  std::set<Edge> more = chain;
  more.emplace(Router(3), Router(4));  // Which refused.
  EXPECT_EQ(Edges(Read(Data("traceroute.txt"))), more);
  EXPECT_EQ(Edges(Read(Data("traceroute-n.txt"))), more);
  more.emplace(Router(3), kSecondHost);
  for (const char* name : {"scamper-icmp.warts", "scamper-icmp.json",
                           "scamper-icmp.txt", "scamper-udp.warts"}) {
    EXPECT_EQ(Edges(Read(Data(name))), more) << name;
  }
}

TEST_F(FoundTest, ReadsWartsAsScamperItselfDoes) {
  const FoundTopology warts = Read(Data("scamper-icmp.warts"));
  const FoundTopology json = Read(Data("scamper-icmp.json"));
  EXPECT_EQ(warts.links, json.links);
  EXPECT_EQ(warts.interfaces, json.interfaces);
  EXPECT_EQ(warts.hops, json.hops);
  EXPECT_EQ(warts.hops, 15U);
}

TEST_F(FoundTest, SaysWhereWartsAreCutShort) {
  const std::string whole = ReadFile(Data("scamper-icmp.warts"));
  // The starts of records, by their headers alone.
  std::set<size_t> ends = {0};
  for (size_t at = 0; at < whole.size();) {
    const auto byte = [&](size_t i) {
      return static_cast<size_t>(static_cast<uint8_t>(whole[at + i]));
    };
    at += 8 + (byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7));
    ends.insert(at);
  }
  ASSERT_EQ(*ends.rbegin(), whole.size());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto found = ReadFound(
        Save("cut", std::string_view(whole).substr(0, size)), "warts");
    EXPECT_EQ(found.ok(), ends.contains(size)) << size;
    if (!found.ok()) {
      EXPECT_NE(found.status().message().find("cut, byte "),
                absl::string_view::npos)
          << found.status();
    }
  }
}

TEST_F(FoundTest, SaysWhereFlashRouteIsCutShort) {
  const std::string whole = AsFlashRoute(RandomScan(2, 2));
  for (size_t size = 0; size <= whole.size(); ++size) {
    const auto found = ReadFound(
        Save("cut", std::string_view(whole).substr(0, size)), "flashroute");
    EXPECT_EQ(found.ok(), size % 39 == 0) << size;
  }
}

struct BadFile {
  const char* format;
  std::string bytes;
  const char* named;  // What the error must say.
};

TEST_F(FoundTest, TellsWhatIsWrongAndWhere) {
  for (const BadFile& bad : std::vector<BadFile>{
           {"auto", "hello\n", "yarrp"},
           {"auto", "", "--format"},
           {"nothing", "", "no \"nothing\""},
           {"csv", "near,far\n1.2.3.4,1.2.3\n", ":2: \"1.2.3\""},
           {"csv", "near,far\n1.2.3.4\n", ":2: 1 fields"},
           {"csv", "a,b\n", ":1: a header without near"},
           {"csv", "::", ":1: one field"},
           {"csv", "near,far,flags\n1.2.3.4,1.2.3.5,x\n", ":2: \"x\""},
           {"csv", "target,ttl,responder\n1.2.3.4,256,1.2.3.5\n", "up to 255"},
           {"jsonl", "{\"near\":\"1.2.3.4\"}\n", ":1: a link without"},
           {"jsonl", "{}\n[]\n", ":1: neither"},
           {"jsonl", "[]\n", ":1: not a JSON object"},
           {"yarrp", "# x\n1.2.3.4 1 2 11 0 3 1.2.\n", ":2: 7 fields"},
           {"yarrp", "a b c d e f g h i j k l m n o\n", ":1: the target"},
           {"caracal", "1,2,3\n", ":1: 3 fields"},
           {"caracal", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", "probe_ttl"},
           {"warts", "1234567890", "byte 0: no record of warts"},
           {"warts", std::string("\x12\x05\0\6\x7f\0\0\0", 8), "64 MB"},
           {"warts", std::string("\x12\x05\0\6\0\0\0\1\0", 9), "byte 8: a tr"},
           {"scamper-json", "{\"type\":\"trace\"}\n", "\"dst\""},
           {"scamper-json",
            "{\"type\":\"trace\",\"dst\":\"1.2.3.4\",\"hops\":[{}]}\n",
            "\"probe_ttl\""},
           {"scamper-json", "{\"type\":\"tra", ":1: not a JSON"},
           {"traceroute", " 1  1.2.3.4  1 ms\n", ":1: neither the start"},
           {"traceroute", "traceroute to x (y), 3 hops max\n", "no address"},
           {"mtr", "{\n}\n", ":2: the report"},
           {"mtr", "{\n", "cut short"},
           {"flashroute", std::string(39, 'x'), "byte 0: no record"},
           {"zmap", "1.2.3.4\nx\n", ":2: \"x\""},
           {"masscan", "open icmp 0 x 1\n", ":1: not a line of masscan"},
       }) {
    const auto found = ReadFound(Save("bad", bad.bytes), bad.format);
    ASSERT_FALSE(found.ok()) << bad.format << ": " << bad.bytes;
    EXPECT_NE(found.status().message().find(bad.named), absl::string_view::npos)
        << found.status();
  }
  EXPECT_FALSE(ReadFound(directory_.Path("none"), "auto").ok());
  EXPECT_FALSE(ReadFound(directory_.Path(""), "auto").ok());
  EXPECT_FALSE(ReadFound(directory_.Path(""), "dataset").ok());
}

TEST_F(FoundTest, LinksHopsOfOnePathWithOneResponderEach) {
  Findings findings;
  const IpAddress target = IpAddress::V4(kHost);
  const auto add = [&](unsigned ttl, uint32_t responder, ReplyKind kind,
                       uint32_t flow = 0) {
    findings.AddHop(target, flow, ttl, IpAddress::V4(responder), kind);
  };
  add(9, 109, ReplyKind::kHop);  // In no order.
  add(1, 101, ReplyKind::kHop);
  add(2, 102, ReplyKind::kHop);
  add(2, 102, ReplyKind::kHop);  // Twice the same.
  add(3, 103, ReplyKind::kHop);
  add(4, 104, ReplyKind::kHop);
  add(4, 204, ReplyKind::kHop);  // Two at one distance.
  add(5, 105, ReplyKind::kHop);
  add(6, 105, ReplyKind::kHop);  // Itself.
  add(7, 107, ReplyKind::kHop);
  add(8, kHost, ReplyKind::kDestination);  // The end of the path.
  add(1, 301, ReplyKind::kHop, 1);
  add(2, 302, ReplyKind::kUnreachable, 1);  // Likewise.
  add(3, 303, ReplyKind::kHop, 1);
  add(1, 401, ReplyKind::kHop, 2);
  add(2, 402, ReplyKind::kAlias, 2);  // Not known to be on the path.
  add(0, 501, ReplyKind::kHop, 3);
  const FoundTopology found = findings.Take("test");
  const std::set<Edge> expected = {
      {101, 102}, {102, 103}, {105, 107}, {107, kHost}, {301, 302}};
  EXPECT_EQ(Edges(found), expected);
  EXPECT_EQ(found.interfaces.size(), 15U);
  EXPECT_EQ(found.ambiguous, 1U);
  EXPECT_EQ(found.self_links, 1U);
  EXPECT_EQ(found.no_distance, 1U);
  for (const FoundLink& link : found.links) {
    EXPECT_EQ(link.flags, link.far == kHost ? kLinkToDestination
                          : link.far == 302 ? kLinkUnreachable
                                            : 0);
  }
}

TEST_F(FoundTest, LeavesOutWhatIsNotIpv4) {
  const FoundTopology found = Read(
      Save("six", "near,far\n2001:db8::1,2001:db8::2\n10.0.0.1,10.0.0.2\n"));
  EXPECT_EQ(found.links.size(), 1U);
  EXPECT_EQ(found.not_ipv4, 1U);
}

TEST_F(FoundTest, ReadsHostsWithoutLinks) {
  const std::vector<uint32_t> two = {0x0a000001, 0x0a000002};
  const std::vector<std::pair<const char*, const char*>> files = {
      {"masscan",
       "#masscan\nopen icmp 0 10.0.0.2 17\nclosed tcp 80 10.0.0.3 18\n"
       "open tcp 80 10.0.0.1 18\nopen tcp 443 10.0.0.1 18\n# end\n"},
      {"zmap",
       "ttl,\"saddr\",success\n61,10.0.0.1,1\n62,10.0.0.2,1\n63,10.0.0.9,0\n"},
      {"zmap", "10.0.0.2\r\n10.0.0.1\n"}};
  for (const auto& [format, bytes] : files) {
    const FoundTopology found = Read(Save("hosts", bytes));
    EXPECT_EQ(found.format, format);
    EXPECT_EQ(found.interfaces, two);
    EXPECT_TRUE(found.links.empty());
  }
}

TEST_F(FoundTest, ReadsLinesOfAnyLength) {
  // Longer than a block, and across its end.
  std::string text = "near,far,note\n";
  const std::string note(700'000, 'x');
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&text, "10.0.0.", i, ",10.0.1.", i, ",", note, "\n");
  }
  EXPECT_EQ(Read(Save("long", text)).links.size(), 5U);
}

// Damage of every kind is an error or is read; tests/fuzz_found.cc tries more.
TEST_F(FoundTest, SurvivesDamage) {
  std::mt19937_64 random(1);
  for (const auto& [name, bytes] : InEveryFormat(RandomScan(4, 3))) {
    const std::string format = Read(Save(name, bytes)).format;
    for (int i = 0; i < 300; ++i) {
      std::string damaged = bytes;
      for (int j = 0; j < 1 + i % 5; ++j) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      const auto found = ReadFound(Save(name, damaged), format);
      if (!found.ok()) {
        EXPECT_TRUE(absl::IsInvalidArgument(found.status()));
      }
    }
  }
}

}  // namespace
}  // namespace fathom::found
