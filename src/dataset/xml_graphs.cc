#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/field_dataset.h"
#include "src/dataset/text_dataset.h"

// GraphML (graphml.graphdrawing.org) and GEXF 1.2 (gexf.net): directed graphs
// as XML, with what is known of each link. Ids of nodes are their addresses.
//
// GraphML and GEXF let edges stand before the nodes that they join, but not all
// that read them do. So nodes go first: 16 bytes each are held, and edges wait
// in a temporary file.

namespace fathom {
namespace {

// What an edge carries, in the order of its ids.
struct Attribute {
  const char* name;
  const char* type;
};
constexpr Attribute kAttributes[] = {
    {"paths", "long"},     {"min_ttl", "int"},   {"first_seen", "long"},
    {"last_seen", "long"}, {"target", "string"}, {"flags", "string"},
};

// How one of the two spells all this.
struct XmlStyle {
  std::string (*head)();
  std::string (*node)(const std::string& id);
  const char* between;  // After the nodes, before the edges.
  std::string (*edge)(uint64_t number, const Link& link);
  const char* before_values;
  std::string (*value)(size_t attribute, const std::string& text);
  const char* after_values;
  const char* tail;
};

std::string FlagsOf(const Link& link) {
  std::string text;
  ForEachBit(link.flags, kFlagNames, [&](const char* name) {
    absl::StrAppend(&text, text.empty() ? "" : "+", name);
  });
  return text;
}

class XmlGraph final : public FieldFormat {
 public:
  XmlGraph(const XmlStyle& style, std::unique_ptr<Backlog> edges)
      : style_(style), edges_(std::move(edges)) {}

  absl::Status Take(const Link& link, const LinkRow& row,
                    PublishedFile& /*out*/) override {
    nodes_.Add(link.near);
    nodes_.Add(link.far);
    // The types of XML have a sign.
    constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
    const std::string values[] = {absl::StrCat(std::min(row[3], kMost)),
                                  absl::StrCat(row[2]),
                                  absl::StrCat(row[4]),
                                  absl::StrCat(row[5]),
                                  link.target.ToString(),
                                  FlagsOf(link)};
    edges_->Put(style_.edge(count_++, link));
    edges_->Put(style_.before_values);
    for (size_t i = 0; i < std::size(values); ++i) {
      edges_->Put(style_.value(i, values[i]));
    }
    edges_->Put(style_.after_values);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    out.Put(style_.head());
    for (const IpAddress& node : nodes_.Sorted()) {
      out.Put(style_.node(node.ToString()));
    }
    out.Put(style_.between);
    FATHOM_RETURN_IF_ERROR(edges_->MoveTo(out));
    out.Put(style_.tail);
    return absl::OkStatus();
  }

 private:
  const XmlStyle style_;
  const std::unique_ptr<Backlog> edges_;
  NodeSet nodes_;
  uint64_t count_ = 0;
};

std::string GraphmlHead() {
  std::string head =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\" "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
      "xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns "
      "http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n";
  for (const Attribute& attribute : kAttributes) {
    absl::StrAppend(&head, "<key id=\"", attribute.name,
                    "\" for=\"edge\" attr.name=\"", attribute.name,
                    "\" attr.type=\"", attribute.type, "\"/>\n");
  }
  return head + "<graph id=\"fathom\" edgedefault=\"directed\">\n";
}

constexpr XmlStyle kGraphml = {
    .head = &GraphmlHead,
    .node =
        [](const std::string& id) {
          return absl::StrCat("<node id=\"", id, "\"/>\n");
        },
    .between = "",
    .edge =
        [](uint64_t /*number*/, const Link& link) {
          return absl::StrCat("<edge source=\"", link.near.ToString(),
                              "\" target=\"", link.far.ToString(), "\">");
        },
    .before_values = "",
    .value =
        [](size_t attribute, const std::string& text) {
          return absl::StrCat("<data key=\"", kAttributes[attribute].name,
                              "\">", text, "</data>");
        },
    .after_values = "</edge>\n",
    .tail = "</graph>\n</graphml>\n"};

std::string GexfHead() {
  std::string head =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<gexf xmlns=\"http://www.gexf.net/1.2draft\" version=\"1.2\">\n"
      "<graph mode=\"static\" defaultedgetype=\"directed\">\n"
      "<attributes class=\"edge\" mode=\"static\">\n";
  for (size_t i = 0; i < std::size(kAttributes); ++i) {
    const std::string type = kAttributes[i].type;
    absl::StrAppend(&head, "<attribute id=\"", i, "\" title=\"",
                    kAttributes[i].name, "\" type=\"",
                    type == "int" ? "integer" : type, "\"/>\n");
  }
  return head + "</attributes>\n<nodes>\n";
}

constexpr XmlStyle kGexf = {
    .head = &GexfHead,
    .node =
        [](const std::string& id) {
          return absl::StrCat("<node id=\"", id, "\" label=\"", id, "\"/>\n");
        },
    .between = "</nodes>\n<edges>\n",
    .edge =
        [](uint64_t number, const Link& link) {
          return absl::StrCat("<edge id=\"", number, "\" source=\"",
                              link.near.ToString(), "\" target=\"",
                              link.far.ToString(), "\">");
        },
    .before_values = "<attvalues>",
    .value =
        [](size_t attribute, const std::string& text) {
          return absl::StrCat("<attvalue for=\"", attribute, "\" value=\"",
                              text, "\"/>");
        },
    .after_values = "</attvalues></edge>\n",
    .tail = "</edges>\n</graph>\n</gexf>\n"};

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options, const XmlStyle& style) {
  // The output first: what is in its way is its own error.
  if (options.path != "-") FATHOM_RETURN_IF_ERROR(CheckIsNew(options.path));
  FATHOM_ASSIGN_OR_RETURN(auto edges, Backlog::Create(options.path));
  return CreateFieldDataset(
      options, std::make_unique<XmlGraph>(style, std::move(edges)));
}

const Register<FormatModule> kGraphmlFormat({"graphml", "links, as GraphML",
                                             [](const FormatOptions& options) {
                                               return Create(options, kGraphml);
                                             },
                                             Table::kLinks});
const Register<FormatModule> kGexfFormat({"gexf", "links, as GEXF",
                                          [](const FormatOptions& options) {
                                            return Create(options, kGexf);
                                          },
                                          Table::kLinks});

}  // namespace
}  // namespace fathom
