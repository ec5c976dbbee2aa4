// What others' formats carry comes back: written, imported, and equal to the
// precision of the format.

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/found/found_file.h"
#include "src/found/replies.h"
#include "src/import/flow_numbers.h"
#include "src/import/import_dataset.h"
#include "src/links/sorted_replies.h"
#include "src/net/icmp_extensions.h"
#include "tests/dataset_contents.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

constexpr const char* kFormats[] = {"atlas", "caracal", "warts", "yarrp"};

// How the probes of a made dataset were sent.
enum class Method { kIcmp, kUdp, kTcp };
constexpr const char* kMethodNames[] = {"icmp", "udp", "tcp-ack"};

std::string ManifestOf(Method method) {
  return absl::StrCat(
      R"({"start":"2023-11-14T22:13:20.000Z","vantage":"here",)",
      R"("configuration":{"protocol":")",
      kMethodNames[static_cast<int>(method)], "\"}}");
}

// Replies of all kinds that probes of the method have.
class RandomReplies {
 public:
  RandomReplies(uint64_t seed, Family family, Method method)
      : random_(seed), family_(family), method_(method) {}

  std::vector<Reply> Make(uint32_t targets, uint16_t flows) {
    std::vector<Reply> replies;
    for (uint32_t target = 0; target < targets; ++target) {
      for (uint16_t flow = 0; flow < flows; ++flow) {
        if (flow > 0 && Draw(2) == 0) continue;
        AppendPath(target, flow, replies);
      }
    }
    std::sort(replies.begin(), replies.end(), ReplyBefore);
    return replies;
  }

 private:
  uint32_t Draw(uint32_t count) {
    return static_cast<uint32_t>(random_() % count);
  }

  IpAddress Address(uint32_t number) const {
    return family_ == Family::kIpv4
               ? IpAddress::V4(0x0a000000 + number)
               : IpAddress::V6(uint64_t{0x20010db8} << 32, number);
  }

  void AppendPath(uint32_t target, uint16_t flow, std::vector<Reply>& replies) {
    const uint32_t length = 1 + Draw(30);
    const uint32_t time = Draw(100'000);
    for (uint32_t ttl = 1; ttl <= length; ++ttl) {
      for (uint32_t times = Draw(3); times > 0; --times) {
        Reply& reply = replies.emplace_back();
        reply.probe = {Address(0x100 * target), Ttl(static_cast<uint8_t>(ttl)),
                       FlowId(flow)};
        reply.received =
            Instant(std::chrono::seconds(1'700'000'000 + time + Draw(60)));
        reply.rtt = std::chrono::microseconds(100) * Draw(65'535);
        if (Draw(20) == 0) reply.rtt = kUnknownRtt;
        reply.arrival_ttl = Ttl(static_cast<uint8_t>(Draw(256)));
        if (ttl == length) {
          MakeEnd(reply);
        } else {
          MakeHop(ttl, reply);
        }
      }
    }
  }

  void MakeHop(uint32_t ttl, Reply& reply) {
    const bool v6 = family_ == Family::kIpv6;
    reply.responder = Address(0x900000 + ttl * 8 + Draw(3));
    reply.icmp_type = v6 ? 3 : 11;
    reply.quoted_ttl = Ttl(static_cast<uint8_t>(Draw(4) == 0 ? Draw(256) : 1));
    reply.quoted_tos = static_cast<uint8_t>(Draw(4) == 0 ? Draw(256) : 0);
    if (Draw(3) == 0) reply.extensions.bytes = kLabels;
  }

  void MakeEnd(Reply& reply) {
    const bool v6 = family_ == Family::kIpv6;
    const uint32_t kind = Draw(3);
    const bool refused = kind == 0 || (method_ == Method::kUdp && kind == 1);
    reply.responder = kind == 1 ? reply.probe.target : Address(0x800000);
    if (refused) {
      constexpr uint8_t kV4[] = {0, 1, 9, 10, 13}, kV6[] = {0, 1, 2, 3, 5};
      reply.icmp_type = v6 ? 1 : 3;
      reply.icmp_code = kind == 1 ? (v6 ? 4 : 3) : (v6 ? kV6 : kV4)[Draw(5)];
      reply.quoted_ttl = Ttl(1);
      reply.kind =
          kind == 1 ? ReplyKind::kDestination : ReplyKind::kUnreachable;
      return;
    }
    // UDP has no other answers, and an alias that refuses a port.
    reply.kind = kind == 1 ? ReplyKind::kDestination : ReplyKind::kAlias;
    if (method_ == Method::kTcp) {
      reply.tcp_flags = Draw(2) == 0 ? 4 : 18;
    } else if (method_ == Method::kUdp) {
      reply.icmp_type = v6 ? 1 : 3;
      reply.icmp_code = v6 ? 4 : 3;
      reply.quoted_ttl = Ttl(1);
    } else {
      reply.icmp_type = v6 ? 129 : 0;
    }
  }

  // Two labels.
  static constexpr std::byte kLabels[] = {
      std::byte{0},    std::byte{12},   std::byte{1},    std::byte{1},
      std::byte{0x05}, std::byte{0xdc}, std::byte{0xf0}, std::byte{1},
      std::byte{0},    std::byte{0},    std::byte{0x31}, std::byte{9}};

  std::mt19937_64 random_;
  const Family family_;
  const Method method_;
};

// What of a reply the format keeps, as text; what it does not is left out.
std::string KeptOf(const std::string& format, const Reply& reply) {
  const bool yarrp = format == "yarrp", atlas = format == "atlas";
  const bool warts = format == "warts";
  std::string labels;
  for (const MplsLabel& label : MplsStackOf(reply.extensions.bytes)) {
    absl::StrAppend(&labels, label.label, ":", int{label.ttl}, " ");
  }
  if (!yarrp) labels = SpellMpls(reply.extensions.bytes);
  return absl::StrCat(
      reply.probe.target.ToString(), " flow ", reply.probe.flow.value(),
      " ttl ", int{reply.probe.ttl.value()}, " ", reply.responder.ToString(),
      " kind ", static_cast<int>(reply.kind), " icmp ", int{reply.icmp_type},
      "/", int{reply.icmp_code}, " tcp ",
      atlas || warts ? int{reply.tcp_flags} : 0, " reply ttl ",
      int{reply.arrival_ttl.value()}, " quoted ",
      yarrp ? 0 : int{reply.quoted_ttl.value()}, "/",
      warts ? int{reply.quoted_tos} : 0, " rtt ", reply.rtt.count(), " at ",
      atlas ? 0 : reply.received.time_since_epoch().count(), " mpls ", labels);
}

std::multiset<std::string> KeptOf(const std::string& format,
                                  const std::vector<Reply>& replies) {
  std::multiset<std::string> kept;
  for (const Reply& reply : replies) kept.insert(KeptOf(format, reply));
  return kept;
}

// Hears replies and makes nothing of them, so that many files can be read in
// little time.
class Listener final : public found::ReplySink {
 public:
  absl::Status Take(const found::FoundReply& found) override {
    ++replies;
    EXPECT_LE(found.reply.extensions.bytes.size(), kMaxExtensions);
    EXPECT_EQ(WholeObjects(found.reply.extensions.bytes, kMaxExtensions),
              found.reply.extensions.bytes.size());
    return absl::OkStatus();
  }
  absl::Status CutShort(const absl::Status& what) override {
    cut_short = std::string(what.message());
    return absl::OkStatus();
  }

  size_t replies = 0;
  std::string cut_short;
};

absl::Status Listen(const std::string& path, const std::string& format,
                    Listener& listener) {
  auto file = found::FoundFile::Open(path);
  if (!file.ok()) return file.status();
  const auto module = Register<found::FoundFormat>::Find(format);
  return module->read_replies(*file, listener);
}

class ImportTest : public testing::Test {
 protected:
  std::string WriteAs(const std::string& format, Method method,
                      const std::vector<Reply>& replies) {
    const std::string path = directory_.Path(absl::StrCat(format, ++count_));
    const auto writer = Register<FormatModule>::Find(format)->create(
        {.path = path, .table = Table::kHops, .manifest = ManifestOf(method)});
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (const absl::Status& status :
         {(*writer)->WriteReplies(replies), (*writer)->Finish("{}")}) {
      EXPECT_TRUE(status.ok()) << status;
    }
    return path;
  }

  std::string Save(const std::string& name, std::string_view bytes) {
    WriteFile(directory_.Path(name), bytes);
    return directory_.Path(name);
  }

  absl::StatusOr<ImportRecord> Import(const std::vector<std::string>& files,
                                      const std::string& format = "auto") {
    dataset_ = directory_.Path(absl::StrCat("imported", ++count_));
    return ImportDataset(
        {.files = files, .format = format, .dataset = dataset_});
  }

  Contents Imported(const std::vector<std::string>& files) {
    const auto record = Import(files);
    EXPECT_TRUE(record.ok()) << record.status();
    auto contents = ReadDataset(dataset_);
    EXPECT_TRUE(contents.ok()) << contents.status();
    return contents.ok() ? *std::move(contents) : Contents();
  }

  const TemporaryDirectory directory_;
  std::string dataset_;
  int count_ = 0;
};

TEST_F(ImportTest, EveryFormatGivesBackWhatItHolds) {
  uint64_t seed = 0;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (const Method method : {Method::kIcmp, Method::kUdp, Method::kTcp}) {
      for (const std::string format : kFormats) {
        const uint16_t flows = format == "yarrp" ? 1 : 6;
        const auto replies =
            RandomReplies(++seed, family, method).Make(60, flows);
        const Contents back = Imported({WriteAs(format, method, replies)});
        EXPECT_EQ(KeptOf(format, back.replies), KeptOf(format, replies))
            << format << ", seed " << seed;
      }
    }
  }
}

TEST_F(ImportTest, LinksAreTheSameWhateverTheFormat) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Family family = seed % 2 == 0 ? Family::kIpv6 : Family::kIpv4;
    const auto replies = RandomReplies(seed, family, Method::kUdp).Make(60, 1);
    const auto warts =
        Imported({WriteAs("warts", Method::kUdp, replies)}).links;
    EXPECT_GT(warts.size(), 100U);
    EXPECT_EQ(warts,
              Imported({WriteAs("caracal", Method::kUdp, replies)}).links);
    const auto atlas =
        Imported({WriteAs("atlas", Method::kUdp, replies)}).links;
    EXPECT_EQ(atlas.size(), warts.size());
  }
}

// Files that hold the parts are as one that holds the whole.
TEST_F(ImportTest, PartsAreTheWhole) {
  auto all = RandomReplies(7, Family::kIpv4, Method::kIcmp).Make(80, 3);
  std::vector<Reply> parts[2];
  for (const Reply& reply : all) {
    parts[reply.probe.target.v4() >> 8 & 1].push_back(reply);
  }
  const Contents whole = Imported({WriteAs("warts", Method::kIcmp, all)});
  const Contents joined = Imported({WriteAs("warts", Method::kIcmp, parts[1]),
                                    WriteAs("warts", Method::kIcmp, parts[0])});
  EXPECT_EQ(joined.replies, whole.replies);
  EXPECT_EQ(joined.links, whole.links);
}

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  std::string copy = text;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

TEST_F(ImportTest, ReadsWhatIsPacked) {
  const auto replies =
      RandomReplies(3, Family::kIpv4, Method::kIcmp).Make(2000, 1);
  for (const std::string format : {"caracal", "warts"}) {
    const std::string path = WriteAs(format, Method::kIcmp, replies);
    const Contents plain = Imported({path});
    const std::string bytes = ReadFile(path);
    ASSERT_GT(bytes.size(), 600'000U) << "too short to need several steps";
    const std::string half = bytes.substr(0, bytes.size() / 2);
    const std::string rest = bytes.substr(half.size());
    for (const std::string& packed :
         {Gzip(bytes), Zstd(bytes), Gzip(half) + Gzip(rest),
          Zstd(half) + Zstd(rest)}) {
      const Contents unpacked = Imported({Save("packed", packed)});
      EXPECT_EQ(unpacked.replies, plain.replies);
      EXPECT_EQ(unpacked.links, plain.links);
    }
    // A packed file that is cut short is not taken for a shorter one.
    EXPECT_FALSE(Import({Save("packed", Gzip(bytes).substr(0, 90'000))}).ok());
    EXPECT_FALSE(Import({Save("packed", Zstd(bytes).substr(0, 90'000))}).ok());
  }
}

TEST_F(ImportTest, SaysWhatUnpacksTheRest) {
  const auto bzip2 = Import({Save("a.bz2", "BZh91AY&SY")});
  EXPECT_NE(bzip2.status().message().find("a.bz2: packed by bzip2"),
            std::string::npos)
      << bzip2.status();
  EXPECT_NE(bzip2.status().message().find("bzcat"), std::string::npos);
}

// A killed prober leaves a part of a record; all before it is kept, and that
// something is missing is told.
TEST_F(ImportTest, KeepsWhatStandsBeforeACut) {
  const auto replies =
      RandomReplies(5, Family::kIpv4, Method::kIcmp).Make(4, 1);
  for (const std::string format : kFormats) {
    const std::string bytes = ReadFile(WriteAs(format, Method::kIcmp, replies));
    size_t most = 0;
    for (size_t size = bytes.size() % 40; size <= bytes.size();
         size += std::max<size_t>(1, bytes.size() / 40)) {
      Listener listener;
      const auto status =
          Listen(Save("cut", bytes.substr(0, size)), format, listener);
      ASSERT_TRUE(status.ok()) << format << " " << size << status;
      EXPECT_GE(listener.replies, most) << format << " " << size;
      most = listener.replies;
    }
    EXPECT_GT(most, replies.size() / 2);
    const auto cut =
        Import({Save("cut", bytes.substr(0, bytes.size() * 2 / 5))}, format);
    ASSERT_TRUE(cut.ok());
    EXPECT_FALSE(cut->is_whole()) << format;
    EXPECT_NE(cut->files[0].cut_short.find("cut"), std::string::npos);
  }
}

TEST_F(ImportTest, NamesTheLineThatIsWrong) {
  const auto replies =
      RandomReplies(5, Family::kIpv4, Method::kIcmp).Make(9, 1);
  for (const std::string format : {"atlas", "caracal", "yarrp"}) {
    const std::string bytes = ReadFile(WriteAs(format, Method::kIcmp, replies));
    const size_t line = bytes.find('\n', bytes.size() / 2) + 1;
    const std::string bad =
        bytes.substr(0, line) + "no such thing\n" + bytes.substr(line);
    const auto number =
        std::count(bytes.begin(), bytes.begin() + line, '\n') + 1;
    const auto record = Import({Save("bad", bad)});
    ASSERT_FALSE(record.ok()) << format;
    EXPECT_EQ(record.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(record.status().message().find(absl::StrCat("bad:", number, ":")),
              std::string::npos)
        << record.status();
  }
  // And nothing is left of what was begun.
  for (const std::string& name : directory_.Entries()) {
    EXPECT_EQ(name.find("imported"), std::string::npos) << name;
  }
}

TEST_F(ImportTest, SurvivesDamage) {
  std::mt19937_64 random(11);
  for (const std::string format : kFormats) {
    const std::string bytes = ReadFile(
        WriteAs(format, Method::kIcmp,
                RandomReplies(6, Family::kIpv6, Method::kIcmp).Make(5, 1)));
    for (int i = 0; i < 60; ++i) {
      std::string damaged = bytes;
      for (int flips = 0; flips < 3; ++flips) {
        damaged[random() % damaged.size()] ^=
            static_cast<char>(1U << random() % 8);
      }
      Listener listener;
      const auto status = Listen(Save("damaged", damaged), format, listener);
      if (status.ok()) continue;
      EXPECT_NE(status.message().find("damaged"), std::string::npos) << status;
    }
  }
}

TEST_F(ImportTest, LeavesOutTheOtherFamily) {
  const auto v4 = RandomReplies(1, Family::kIpv4, Method::kIcmp).Make(9, 1);
  const auto v6 = RandomReplies(2, Family::kIpv6, Method::kIcmp).Make(9, 1);
  const auto record = Import({WriteAs("warts", Method::kIcmp, v4),
                              WriteAs("warts", Method::kIcmp, v6)});
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->other_family, v6.size());
  EXPECT_EQ(ReadDataset(dataset_)->replies.size(), v4.size());
}

TEST_F(ImportTest, SaysWhereItIsFrom) {
  const auto replies = RandomReplies(1, Family::kIpv4, Method::kUdp).Make(9, 1);
  const std::string path = WriteAs("yarrp", Method::kUdp, replies);
  const auto record = Import({path});
  ASSERT_TRUE(record.ok()) << record.status();
  for (const std::string& wanted :
       {absl::StrCat("\"path\": \"", path, "\""),
        absl::StrCat("\"bytes\": ", ReadFile(path).size()),
        absl::StrCat("\"replies\": ", replies.size()),
        std::string("\"format\": \"yarrp\""), std::string("\"xxh3\": \""),
        std::string("\"end\": \"imported\""),
        std::string("\"protocol\": \"udp\"")}) {
    EXPECT_NE(record->manifest.find(wanted), std::string::npos) << wanted;
  }
}

// Atlas: an array as the API gives it, a late answer, which is no hop's, an
// error as a number, and objects that are no traceroutes.
TEST_F(ImportTest, ReadsWhatAtlasWrites) {
  const auto record = Import({Save(
      "atlas.json",
      "[{\"af\":4,\"dst_addr\":\"10.0.0.9\",\"fw\":5020,\"msm_id\":5001,"
      "\"paris_id\":3,\"prb_id\":7,\"proto\":\"UDP\",\"timestamp\":1700000000,"
      "\"type\":\"traceroute\",\"result\":[{\"hop\":1,\"result\":[{\"from\":"
      "\"10.0.0.1\",\"rtt\":0.519,\"size\":76,\"ttl\":64},{\"x\":\"*\"},{"
      "\"from\":\"10.0.0.2\",\"late\":1,\"size\":76,\"ttl\":63}]},{\"hop\":2,"
      "\"error\":\"sendto failed\"},{\"hop\":3,\"result\":[{\"from\":"
      "\"10.0.0.3\",\"err\":10,\"rtt\":7.25,\"ttl\":62,\"ittl\":2}]}]},\n"
      "{\"type\":\"ping\",\"dst_addr\":\"10.0.0.9\",\"prb_id\":7}]\n")});
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->passed_over, 1U);
  const auto contents = ReadDataset(dataset_);
  ASSERT_EQ(contents->replies.size(), 2U);
  const Reply& hop = contents->replies[0];
  EXPECT_EQ(hop.probe.flow, FlowId(3));
  EXPECT_EQ(hop.rtt, std::chrono::microseconds(500));
  EXPECT_EQ(hop.icmp_type, 11);
  const Reply& refusal = contents->replies[1];
  EXPECT_EQ(refusal.kind, ReplyKind::kUnreachable);
  EXPECT_EQ(refusal.icmp_code, 10);
  EXPECT_EQ(refusal.quoted_ttl, Ttl(2));
}

// As yarrp.cpp prints it: times in ms where the header says so.
TEST_F(ImportTest, ReadsWhatYarrpWrites) {
  const std::string lines =
      "# Output_Fields: target sec usec type code ttl hop rtt ipid psize rsize "
      "rttl rtos mpls count\n"
      "10.0.0.9 1700000000 999999 11 0 3 10.0.0.3 12 7 40 56 250 0 3:1,19:2 "
      "1\n";
  for (const bool coarse : {false, true}) {
    const auto record = Import(
        {Save("yrp", coarse ? "# RTT_Granularity: ms\n" + lines : lines)});
    ASSERT_TRUE(record.ok()) << record.status();
    const auto contents = ReadDataset(dataset_);
    ASSERT_EQ(contents->replies.size(), 1U);
    const Reply& hop = contents->replies[0];
    EXPECT_EQ(hop.rtt,
              coarse ? Nanos(std::chrono::milliseconds(12)) : Nanos(0));
    EXPECT_EQ(SpellMpls(hop.extensions.bytes), "3/0/0/1 19/0/1/2");
    EXPECT_EQ(hop.arrival_ttl, Ttl(250));
  }
}

TEST(FlowNumbers, NoTwoFlowsShareOne) {
  FlowNumbers numbers;
  std::set<uint16_t> taken;
  for (uint64_t key = 0; key < 65'536; ++key) {
    const auto wanted = static_cast<uint16_t>(key % 100 * 7);
    const auto number = numbers.Find(key, wanted);
    ASSERT_TRUE(number.has_value());
    EXPECT_TRUE(taken.insert(*number).second);
    EXPECT_EQ(numbers.Find(key, 5), number);
    EXPECT_TRUE(key >= 100 || *number == wanted);
  }
  EXPECT_FALSE(numbers.Find(1'000'000, 0).has_value());
}

}  // namespace
}  // namespace fathom
