#include "src/annotate/annotate_dataset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "fathom/registry.h"
#include "src/annotate/annotation_tables.h"
#include "src/dataset/parquet/reader.h"
#include "tests/temporary_directory.h"

namespace fathom {
namespace {

using parquet::Values;

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

Link MakeLink(const std::string& near, const std::string& far, int64_t paths,
              uint8_t flags = 0, uint8_t gap = 0) {
  Link link;
  link.near = Ip(near);
  link.far = Ip(far);
  link.target = link.far;
  link.paths = static_cast<uint64_t>(paths);
  link.first_seen = Instant(std::chrono::seconds(1000 + paths));
  link.last_seen = Instant(std::chrono::seconds(2000 + paths));
  link.flags = flags;
  link.gap = gap;
  return link;
}

Reply MakeReply(const std::string& target, uint8_t ttl,
                const std::string& responder) {
  Reply reply;
  reply.probe = {Ip(target), Ttl(ttl), FlowId(0)};
  reply.responder = Ip(responder);
  return reply;
}

void WriteDataset(const std::string& path, const std::vector<Reply>& replies,
                  const std::vector<Link>& links) {
  const auto format = Register<FormatModule>::Find("parquet");
  const auto writer = format->create({.path = path});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->WriteReplies(replies).ok());
  ASSERT_TRUE((*writer)->WriteLinks(links).ok());
  ASSERT_TRUE((*writer)->Finish("{}").ok());
}

// A table of one row group.
struct ReadTable {
  std::vector<Values> columns;
  std::string annotation;

  template <typename T>
  const T& At(size_t column) const {
    return std::get<T>(columns[column]);
  }
  std::vector<uint32_t> Numbers(size_t column) const {
    return At<std::vector<uint32_t>>(column);
  }
  std::vector<std::string> Texts(size_t column) const {
    std::vector<std::string> texts;
    const auto& strings = At<parquet::Strings>(column);
    for (size_t i = 0; i < strings.size(); ++i) texts.push_back(strings[i]);
    return texts;
  }
};

ReadTable Read(const std::string& path, const parquet::Schema& schema) {
  const auto reader = parquet::Reader::Open(path, schema);
  EXPECT_TRUE(reader.ok()) << reader.status();
  ReadTable table;
  const std::string* const annotation = (*reader)->Find("fathom.annotation");
  EXPECT_NE(annotation, nullptr);
  table.annotation = *annotation;
  if ((*reader)->row_groups() == 0) return table;
  EXPECT_EQ((*reader)->row_groups(), 1U);
  EXPECT_TRUE((*reader)->ReadRowGroup(0, &table.columns).ok());
  return table;
}

class AnnotateDatasetTest : public testing::Test {
 protected:
  AnnotationSummary Annotate() {
    WriteFile(here_.Path("networks"), networks_);
    WriteFile(here_.Path("ixps"), "80.0.0.0/24 X-IX\n2001:7f8::/64 X-IX\n");
    WriteFile(here_.Path("names"), "1 One\n2 Two\n3 Three\n");
    const auto annotator = Annotator::Open(
        {.networks = {here_.Path("networks"), here_.Path("names")},
         .ixps = {here_.Path("ixps")}});
    EXPECT_TRUE(annotator.ok()) << annotator.status();
    const auto summary =
        AnnotateDataset(*annotator, {.dataset = here_.Path("d")});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return *summary;
  }

  ReadTable Interfaces(Family family) {
    return Read(here_.Path("d/interfaces.parquet"), InterfaceSchema(family));
  }
  ReadTable AsLinkRows() {
    return Read(here_.Path("d/as_links.parquet"), AsLinkSchema());
  }

  std::string networks_ =
      "1.0.0.0\t8\t1\n2.0.0.0\t8\t2\n3.0.0.0\t8\t3\n"
      "2001:1::\t32\t1\n2001:2::\t32\t2\n";
  TemporaryDirectory here_;
};

TEST_F(AnnotateDatasetTest, CountsInterfacesAndLinksAses) {
  WriteDataset(
      here_.Path("d"),
      {MakeReply("3.0.0.9", 1, "1.0.0.1"), MakeReply("3.0.0.9", 2, "2.0.0.1"),
       MakeReply("3.0.0.9", 3, "1.0.0.1"), MakeReply("3.0.0.9", 4, "9.9.9.9")},
      {MakeLink("1.0.0.1", "1.0.0.2", 1), MakeLink("1.0.0.1", "2.0.0.1", 2),
       MakeLink("1.0.0.1", "9.9.9.9", 3), MakeLink("1.0.0.2", "2.0.0.1", 4),
       MakeLink("1.0.0.2", "3.0.0.1", 5, kLinkInLoop),
       MakeLink("2.0.0.1", "1.0.0.1", 6, kLinkToDestination),
       MakeLink("1.0.0.1", "3.0.0.1", 7, 0, 1)});
  const AnnotationSummary summary = Annotate();
  EXPECT_EQ(summary.interfaces, 5U);
  EXPECT_EQ(summary.with_asn, 4U);
  EXPECT_EQ(summary.links.between, 3U);
  EXPECT_EQ(summary.links.within, 1U);
  EXPECT_EQ(summary.links.unknown, 1U);
  EXPECT_EQ(summary.links.doubted, 2U);

  const ReadTable table = Interfaces(Family::kIpv4);
  EXPECT_EQ(table.Numbers(0),
            (std::vector<uint32_t>{0x01000001, 0x01000002, 0x02000001,
                                   0x03000001, 0x09090909}));
  EXPECT_EQ(table.Numbers(1), (std::vector<uint32_t>{1, 1, 2, 3, 0}));
  EXPECT_EQ(table.Texts(2),
            (std::vector<std::string>{"One", "One", "Two", "Three", ""}));
  EXPECT_TRUE(std::isnan(table.At<std::vector<double>>(5)[0]));
  EXPECT_EQ(table.At<std::vector<uint64_t>>(9),
            (std::vector<uint64_t>{2, 0, 1, 0, 1}));
  EXPECT_EQ(table.Numbers(10), (std::vector<uint32_t>{3, 1, 1, 0, 0}));
  EXPECT_EQ(table.Numbers(11), (std::vector<uint32_t>{1, 1, 2, 0, 1}));

  const ReadTable links = AsLinkRows();
  EXPECT_EQ(links.Numbers(0), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(links.Numbers(1), (std::vector<uint32_t>{2, 1}));
  EXPECT_EQ(links.Texts(2), (std::vector<std::string>{"One", "Two"}));
  EXPECT_EQ(links.Texts(3), (std::vector<std::string>{"Two", "One"}));
  EXPECT_EQ(links.Numbers(4), (std::vector<uint32_t>{2, 1}));
  EXPECT_EQ(links.Numbers(5), (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(links.At<std::vector<uint64_t>>(6), (std::vector<uint64_t>{6, 6}));
  EXPECT_EQ(links.Numbers(7), (std::vector<uint32_t>{1002, 1006}));
  EXPECT_EQ(links.Numbers(8), (std::vector<uint32_t>{2004, 2006}));
}

TEST_F(AnnotateDatasetTest, BridgesExchanges) {
  WriteDataset(
      here_.Path("d"), {},
      {MakeLink("1.0.0.1", "80.0.0.2", 1), MakeLink("1.0.0.1", "80.0.0.7", 1),
       MakeLink("3.0.0.1", "80.0.0.2", 1), MakeLink("80.0.0.2", "2.0.0.1", 1),
       MakeLink("80.0.0.2", "2.0.0.2", 1), MakeLink("80.0.0.2", "3.0.0.1", 1)});
  const AnnotationSummary summary = Annotate();
  EXPECT_EQ(summary.on_ixps, 2U);
  EXPECT_EQ(summary.links.ixp_owned, 1U);    // 80.0.0.2 is AS 2's.
  EXPECT_EQ(summary.links.unknown_ixp, 1U);  // Nothing leads on from .7.
  EXPECT_EQ(summary.links.within, 2U);
  EXPECT_EQ(summary.as_links_through_ixps, 2U);
  const ReadTable links = AsLinkRows();
  EXPECT_EQ(links.Numbers(0), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(links.Numbers(1), (std::vector<uint32_t>{2, 3, 2}));
  EXPECT_EQ(links.Numbers(5), (std::vector<uint32_t>{1, 0, 1}));
  const ReadTable table = Interfaces(Family::kIpv4);
  EXPECT_EQ(table.Texts(7)[4], "X-IX");
  EXPECT_EQ(table.Numbers(1)[4], 0U);
}

TEST_F(AnnotateDatasetTest, AnnotatesIpv6) {
  WriteDataset(here_.Path("d"), {MakeReply("2001:2::9", 1, "2001:1::1")},
               {MakeLink("2001:1::1", "2001:7f8::2", 1),
                MakeLink("2001:7f8::2", "2001:2::1", 1)});
  const AnnotationSummary summary = Annotate();
  EXPECT_EQ(summary.interfaces, 3U);
  EXPECT_EQ(summary.as_links, 1U);
  const ReadTable table = Interfaces(Family::kIpv6);
  const auto& addresses = table.At<std::vector<parquet::AddressBytes>>(0);
  EXPECT_EQ(addresses[0], (parquet::AddressBytes{0x20, 1, 0, 1, 0, 0, 0, 0, 0,
                                                 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(table.Numbers(1), (std::vector<uint32_t>{1, 2, 0}));
}

TEST_F(AnnotateDatasetTest, GivesTheSameBytesAgainAndLeavesTheRest) {
  WriteDataset(here_.Path("d"), {MakeReply("2.0.0.9", 1, "1.0.0.1")},
               {MakeLink("1.0.0.1", "2.0.0.1", 1)});
  const std::string hops = ReadFile(here_.Path("d/hops.parquet"));
  Annotate();
  const std::string interfaces = ReadFile(here_.Path("d/interfaces.parquet"));
  const std::string as_links = ReadFile(here_.Path("d/as_links.parquet"));
  Annotate();
  EXPECT_EQ(ReadFile(here_.Path("d/interfaces.parquet")), interfaces);
  EXPECT_EQ(ReadFile(here_.Path("d/as_links.parquet")), as_links);
  EXPECT_EQ(ReadFile(here_.Path("d/hops.parquet")), hops);
  EXPECT_TRUE(OpenDataset(here_.Path("d")).ok());
  // Other files, other bytes.
  networks_ = "1.0.0.0\t8\t7\n";
  Annotate();
  EXPECT_NE(ReadFile(here_.Path("d/interfaces.parquet")), interfaces);
}

TEST_F(AnnotateDatasetTest, SaysWhatItWasMadeFrom) {
  WriteDataset(here_.Path("d"), {}, {});
  const AnnotationSummary summary = Annotate();
  EXPECT_EQ(summary.interfaces, 0U);
  const auto annotation =
      nlohmann::json::parse(Interfaces(Family::kIpv4).annotation);
  ASSERT_EQ(annotation["files"].size(), 3U);
  EXPECT_EQ(annotation["files"][0]["format"], "pfx2as");
  EXPECT_EQ(annotation["files"][0]["bytes"], networks_.size());
  EXPECT_EQ(annotation["files"][2]["format"], "exchanges");
  EXPECT_EQ(AsLinkRows().annotation, annotation.dump(2));
}

TEST_F(AnnotateDatasetTest, LeavesNothingBehindWhenItIsStopped) {
  WriteDataset(here_.Path("d"), {MakeReply("2.0.0.9", 1, "1.0.0.1")}, {});
  const auto annotator = Annotator::Open({});
  const auto stopped = AnnotateDataset(
      *annotator, {.dataset = here_.Path("d"),
                   .on_progress = [](const AnnotationProgress&) {
                     return absl::CancelledError("stopped");
                   }});
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(here_.Path("d"))) {
    names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"gaps.parquet", "hops.parquet",
                                          "links.parquet", "manifest.json"}));
}

}  // namespace
}  // namespace fathom
