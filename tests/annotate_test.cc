#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "src/annotate/annotator.h"
#include "src/annotate/text.h"
#include "tests/mrt_writer.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }
Prefix Net(const std::string& text) { return *Prefix::Parse(text); }

class AnnotatorTest : public testing::Test {
 protected:
  std::string File(std::string_view bytes) {
    const std::string path = here_.Path(std::to_string(++files_));
    WriteFile(path, bytes);
    return path;
  }

  Annotator Open(std::string_view networks, std::string_view ixps = "") {
    AnnotationFiles files;
    if (!networks.empty()) files.networks.push_back(File(networks));
    if (!ixps.empty()) files.ixps.push_back(File(ixps));
    auto annotator = Annotator::Open(files);
    EXPECT_TRUE(annotator.ok()) << annotator.status();
    return *std::move(annotator);
  }

  std::string ErrorOf(std::string_view networks) {
    const auto annotator = Annotator::Open({.networks = {File(networks)}});
    return annotator.ok() ? "" : std::string(annotator.status().message());
  }

  TemporaryDirectory here_;
  int files_ = 0;
};

constexpr char kPfx2as[] =
    "# made up\n"
    "1.0.0.0\t24\t13335\n"
    "10.0.0.0\t8\t64512_64513\n"
    "10.1.0.0\t16\t64514,64515\r\n"
    "10.2.0.0/16 AS64516\n"
    "10.3.0.0\t16\t0\n"
    "\n"
    "2001:db8::\t32\t4200000000";

TEST_F(AnnotatorTest, ReadsPrefixesInText) {
  const Annotator annotator = Open(kPfx2as);
  EXPECT_EQ(annotator.Find(Ip("1.0.0.255")).asn, 13335U);
  EXPECT_EQ(annotator.Find(Ip("1.0.1.0")).asn, 0U);
  EXPECT_EQ(annotator.Find(Ip("10.255.0.1")).asn, 64512U);
  EXPECT_EQ(annotator.Find(Ip("10.1.2.3")).asn, 64514U);
  EXPECT_EQ(annotator.Find(Ip("10.2.2.3")).asn, 64516U);
  EXPECT_EQ(annotator.Find(Ip("2001:db8:ffff::1")).asn, 4200000000U);
  EXPECT_EQ(annotator.Find(Ip("2001:db9::1")).asn, 0U);
  const AnnotationFile& file = annotator.files().at(0);
  EXPECT_EQ(file.format, "pfx2as");
  EXPECT_EQ(file.networks, 5U);
  EXPECT_EQ(file.skipped, 1U);
  EXPECT_EQ(file.bytes, sizeof kPfx2as - 1);
}

TEST_F(AnnotatorTest, NamesTheLineThatIsWrong) {
  for (const char* const bad :
       {"1.0.0.0\t33\t1", "1.0.0.1\t24\t1", "1.0.0.0\t24", "1.0.0.0\t24\tx",
        "1.0.0\t24\t1", "1.0.0.0\t\t1", "1.0.0.0/ 1", "::1\t129\t1",
        "1.0.0.0\t24\t4294967296", "1.0.0.0\t24\t4294967295", "x"}) {
    const std::string error = ErrorOf("9.0.0.0\t8\t1\n\n" + std::string(bad));
    EXPECT_NE(error.find("line 3"), error.npos) << bad << ": " << error;
  }
}

std::string Gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string packed(text.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST_F(AnnotatorTest, ReadsWhatGzipCompressed) {
  // In two members, as `cat a.gz b.gz` makes.
  const std::string packed =
      Gzip("1.0.0.0\t24\t1\n") + Gzip("2.0.0.0\t24\t2\n");
  const Annotator annotator = Open(packed);
  EXPECT_EQ(annotator.Find(Ip("1.0.0.1")).asn, 1U);
  EXPECT_EQ(annotator.Find(Ip("2.0.0.1")).asn, 2U);
  EXPECT_EQ(annotator.files().at(0).bytes, packed.size());
}

TEST_F(AnnotatorTest, RefusesGzipThatIsCutOrDamaged) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += "10." + std::to_string(i / 256) + "." + std::to_string(i % 256) +
            ".0\t24\t" + std::to_string(i * 7919 % 65000 + 1) + "\n";
  }
  const std::string packed = Gzip(text);
  for (size_t size = 20; size < packed.size(); size += 97) {
    EXPECT_NE(ErrorOf(packed.substr(0, size)), "") << size;
  }
  std::string damaged = packed;
  damaged[damaged.size() / 2] ^= 0x55;
  EXPECT_NE(ErrorOf(damaged), "");
}

std::string V2Dump() {
  const auto sequence = [](std::vector<uint32_t> ases) {
    return PathAttribute({{2, std::move(ases)}}, 4);
  };
  std::string dump = PeerTable({64601, 64602, 4200000001});
  dump += RibRecord(Net("10.0.0.0/8"), {{0, sequence({1, 2, 3})}});
  // Most of the peers say 5.
  dump += RibRecord(
      Net("10.1.0.0/16"),
      {{0, sequence({1, 4})}, {1, sequence({2, 5})}, {2, sequence({3, 5})}});
  // As many say 7 as 6: the least.
  dump += RibRecord(Net("10.2.0.0/15"),
                    {{0, sequence({1, 7})}, {1, sequence({1, 6})}});
  dump += RibRecord(Net("10.4.0.0/16"), {{2, sequence({})}});
  dump += RibRecord(Net("10.5.0.0/17"),
                    {{0, PathAttribute({{2, {1, 2}}, {1, {9, 8}}}, 4)}});
  dump += RibRecord(Net("10.6.0.0/16"),
                    {{0, PathAttribute({{2, {1, 11}}, {3, {12}}}, 4)}});
  dump += RibRecord(Net("0.0.0.0/0"), {{0, sequence({1, 13})}});
  dump += RibRecord(Net("2001:db8::/32"), {{1, sequence({1, 4200000000})}});
  dump += RibRecord(Net("10.7.0.0/16"), {{0, sequence({1, 14})}},
                    /*paths=*/true);
  dump += MrtRecord(16, 4, "an update, which is not ours to read");
  return dump;
}

TEST_F(AnnotatorTest, ReadsDumpsOfRoutes) {
  const Annotator annotator = Open(V2Dump());
  EXPECT_EQ(annotator.files().at(0).format, "MRT");
  EXPECT_EQ(annotator.files().at(0).networks, 8U);
  EXPECT_EQ(annotator.files().at(0).skipped, 2U);
  EXPECT_EQ(annotator.Find(Ip("10.200.0.1")).asn, 3U);
  EXPECT_EQ(annotator.Find(Ip("10.1.0.1")).asn, 5U);
  EXPECT_EQ(annotator.Find(Ip("10.3.255.1")).asn, 6U);
  EXPECT_EQ(annotator.Find(Ip("10.4.0.1")).asn, 4200000001U);
  EXPECT_EQ(annotator.Find(Ip("10.5.127.1")).asn, 9U);
  EXPECT_EQ(annotator.Find(Ip("10.5.128.1")).asn, 3U);
  EXPECT_EQ(annotator.Find(Ip("10.6.0.1")).asn, 11U);
  EXPECT_EQ(annotator.Find(Ip("10.7.0.1")).asn, 14U);
  EXPECT_EQ(annotator.Find(Ip("11.0.0.1")).asn, 0U);
  EXPECT_EQ(annotator.Find(Ip("2001:db8::1")).asn, 4200000000U);
}

std::string OldDump() {
  constexpr uint32_t kAsTrans = 23456;
  const auto sequence = [](std::vector<uint32_t> ases) {
    return PathAttribute({{2, std::move(ases)}}, 2);
  };
  std::string dump;
  dump += OldRibRecord(Net("10.0.0.0/8"), 100, sequence({1, 2}));
  dump += OldRibRecord(Net("10.0.0.0/8"), 101, sequence({1, 3}));
  dump += OldRibRecord(Net("10.0.0.0/8"), 102, sequence({1, 3}));
  dump +=
      OldRibRecord(Net("10.1.0.0/16"), 100,
                   sequence({1, kAsTrans}) +
                       PathAttribute({{2, {1, 4200000000}}}, 4, /*type=*/17));
  // An AS4_PATH that is the longer one is not to be used.
  dump += OldRibRecord(
      Net("10.2.0.0/16"), 100,
      sequence({7}) + PathAttribute({{2, {1, 4200000000}}}, 4, /*type=*/17));
  dump += OldRibRecord(Net("10.3.0.0/16"), 105, sequence({}));
  dump += OldRibRecord(Net("2001:db8::/32"), 100, sequence({1, 8}));
  return dump;
}

TEST_F(AnnotatorTest, ReadsDumpsOfTheOldForm) {
  const Annotator annotator = Open(OldDump());
  EXPECT_EQ(annotator.files().at(0).networks, 5U);
  EXPECT_EQ(annotator.Find(Ip("10.9.0.1")).asn, 3U);
  EXPECT_EQ(annotator.Find(Ip("10.1.0.1")).asn, 4200000000U);
  EXPECT_EQ(annotator.Find(Ip("10.2.0.1")).asn, 7U);
  EXPECT_EQ(annotator.Find(Ip("10.3.0.1")).asn, 105U);
  EXPECT_EQ(annotator.Find(Ip("2001:db8::1")).asn, 8U);
}

// Only where a record ends may a dump end; anything else is said.
TEST_F(AnnotatorTest, RefusesEveryTruncationOfADump) {
  for (const std::string& dump : {V2Dump(), OldDump()}) {
    std::set<size_t> ends;
    for (size_t at = 0; at < dump.size();) {
      size_t size = 0;
      for (int i = 8; i < 12; ++i) {
        size = size << 8 | static_cast<uint8_t>(dump[at + i]);
      }
      ends.insert(at += 12 + size);
    }
    for (size_t size = 12; size < dump.size(); ++size) {
      const std::string error = ErrorOf(dump.substr(0, size));
      ASSERT_EQ(error.empty(), ends.contains(size)) << size << ": " << error;
    }
  }
}

TEST_F(AnnotatorTest, RefusesRecordsThatEndTooEarly) {
  const std::string whole =
      RibRecord(Net("10.0.0.0/8"), {{0, PathAttribute({{2, {1, 2, 3}}}, 4)}});
  for (size_t size = 0; size + 12 < whole.size(); ++size) {
    const std::string error =
        ErrorOf(PeerTable({1}) + MrtRecord(13, 2, whole.substr(12, size)));
    EXPECT_NE(error.find("ends too early"), error.npos) << size << error;
    EXPECT_NE(error.find("byte "), error.npos) << error;
  }
}

TEST_F(AnnotatorTest, TakesEachFieldFromTheFirstFileThatKnowsIt) {
  const std::string names = File("64512 FIRST-NAME, DE\nAS64513 Second\n");
  const std::string coarse = File("10.0.0.0\t8\t64512\n");
  const std::string fine = File("10.1.0.0\t16\t64513\n11.0.0.0\t8\t64513\n");
  const auto annotator = Annotator::Open({.networks = {coarse, fine, names}});
  ASSERT_TRUE(annotator.ok()) << annotator.status();
  EXPECT_EQ(annotator->Find(Ip("10.1.0.1")).asn, 64512U);
  EXPECT_EQ(annotator->Find(Ip("10.1.0.1")).as_name, "FIRST-NAME, DE");
  EXPECT_EQ(annotator->Find(Ip("11.0.0.1")).as_name, "Second");
  EXPECT_EQ(annotator->NameOfAs(64513), "Second");
  EXPECT_EQ(annotator->NameOfAs(1), "");
  const auto other = Annotator::Open({.networks = {fine, coarse}});
  EXPECT_EQ(other->Find(Ip("10.1.0.1")).asn, 64513U);
  EXPECT_EQ(other->Find(Ip("10.2.0.1")).asn, 64512U);
}

void ExpectIxps(const Annotator& annotator) {
  const Annotation on_lan = annotator.Find(Ip("80.81.192.7"));
  EXPECT_EQ(on_lan.ixp, "DE-CIX Frankfurt");
  EXPECT_EQ(on_lan.asn, 0U);
  EXPECT_EQ(annotator.Find(Ip("2001:7f8::1")).ixp, "DE-CIX Frankfurt");
  EXPECT_EQ(annotator.Find(Ip("80.81.191.7")).ixp, "");
  EXPECT_EQ(annotator.Find(Ip("80.81.191.7")).asn, 6695U);
}

TEST_F(AnnotatorTest, KnowsExchangesFromText) {
  constexpr char kNetworks[] = "80.0.0.0\t8\t6695\n";
  ExpectIxps(Open(kNetworks,
                  "80.81.192.0/21 DE-CIX Frankfurt\n"
                  "# the same, IPv6\n2001:7f8::/64\tDE-CIX Frankfurt\n"));
  ExpectIxps(Open(kNetworks,
                  "prefix,name\n80.81.192.0/21,\"DE-CIX Frankfurt\"\n"
                  "2001:7f8::/64,DE-CIX Frankfurt\n"));
}

TEST_F(AnnotatorTest, KnowsExchangesFromPeeringDb) {
  constexpr char kDump[] = R"({
    "ix": {"data": [{"id": 31, "name": "DE-CIX Frankfurt"}]},
    "ixlan": {"data": [{"id": 61, "ix_id": 31}]},
    "ixpfx": {"data": [
      {"ixlan_id": 61, "protocol": "IPv4", "prefix": "80.81.192.0/21"},
      {"ixlan_id": 61, "protocol": "IPv6", "prefix": "2001:7f8::/64"}]}})";
  ExpectIxps(Open("80.0.0.0\t8\t6695\n", kDump));
  const Annotator nameless =
      Open("", R"({"data": [{"ixlan_id": 61, "prefix": "80.81.192.0/21"}]})");
  EXPECT_EQ(nameless.Find(Ip("80.81.192.7")).ixp, "PeeringDB ixlan 61");
}

TEST_F(AnnotatorTest, KnowsExchangesFromLinesOfJson) {
  ExpectIxps(Open(
      "80.0.0.0\t8\t6695\n",
      "# a comment before\n"
      R"({"name":"Nowhere-IX","prefixes":{"ipv4":["1.2.3.0/24"]}})"
      "\n"
      R"({"name":"DE-CIX Frankfurt","prefixes":{"ipv4":["80.81.192.0/21"],)"
      R"("ipv6":["2001:7f8::/64"]}})"
      "\n"));
}

TEST_F(AnnotatorTest, RefusesListsOfExchangesThatAreNone) {
  for (const char* const bad :
       {"80.81.192.0/21\n", "80.81.192.1/21 x\n", "80.81.192.0 x\n", "x y\n",
        "{", "{}", "[]", "{\"data\":3}", "{\"data\":[{\"prefix\":\"x\"}]}",
        "[1,2", "{\"name\":\"a\",\"prefixes\":[1]}"}) {
    const auto annotator = Annotator::Open({.ixps = {File(bad)}});
    EXPECT_FALSE(annotator.ok()) << bad;
  }
}

TEST_F(AnnotatorTest, SaysWhichFormatsThereAreForWhatIsNone) {
  EXPECT_NE(ErrorOf("hello, world\n").find("pfx2as"), std::string::npos);
  EXPECT_NE(ErrorOf("").find("pfx2as"), std::string::npos);
  EXPECT_NE(ErrorOf("BZh91AY").find("bzip2"), std::string::npos);
  const auto none = Annotator::Open({.networks = {here_.Path("nowhere")}});
  EXPECT_NE(none.status().message().find("nowhere"), absl::string_view::npos);
  const auto directory = Annotator::Open({.networks = {here_.Path("")}});
  EXPECT_NE(directory.status().message().find("directory"),
            absl::string_view::npos);
}

TEST_F(AnnotatorTest, RefusesDatabasesThatAreDamaged) {
  EXPECT_NE(ErrorOf(std::string(100, '\0') + "\xab\xcd\xefMaxMind.com"), "");
  EXPECT_NE(ErrorOf("LOCDBXX\1" + std::string(20, '\0')), "");
  EXPECT_NE(ErrorOf("LOCDBXX\1" + std::string(9000, '\0')), "");
  EXPECT_NE(ErrorOf("LOCDBXX\1" + std::string(9000, '\xff')), "");
}

TEST(Printable, LetsNothingThroughThatATerminalObeys) {
  EXPECT_EQ(Printable("Z\xc3\xbcrich"), "Z\xc3\xbcrich");
  EXPECT_EQ(Printable("a\x1b[31mb\n\tc\x7f"), "a?[31mb??c?");
  EXPECT_EQ(Printable("\xc2\x9b"), "??");       // CSI, of C1.
  EXPECT_EQ(Printable("\xe2\x80\xae"), "???");  // Right to left.
  EXPECT_EQ(Printable("\xc0\xaf\xff"), "???");  // Overlong, and none.
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???");  // A surrogate.
  EXPECT_EQ(Printable("\xe2\x82"), "??");       // Cut off.
  EXPECT_EQ(Printable("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(Printable(std::string(300, 'x')).size(), 200U);
}

}  // namespace
}  // namespace fathom
