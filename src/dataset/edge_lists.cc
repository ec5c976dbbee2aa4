#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"

// Directed graphs that name their nodes as they come, so that nothing is held
// in memory: the edge list, near and far with a space between, as networkx,
// graph-tool and igraph read it; and Graphviz's DOT. Nodes are addresses.

namespace fathom {
namespace {

class EdgeList final : public FieldFormat {
 public:
  void Begin(PublishedFile& out) override {
    out.Put("# near far: directed links between interfaces, by fathom " +
            std::string(FATHOM_VERSION) + "\n");
  }

  absl::Status Take(const Link& link, const LinkRow& /*row*/,
                    PublishedFile& out) override {
    out.Put(absl::StrCat(link.near.ToString(), " ", link.far.ToString(), "\n"));
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& /*out*/) override { return absl::OkStatus(); }
};

class Dot final : public FieldFormat {
 public:
  void Begin(PublishedFile& out) override { out.Put("digraph fathom {\n"); }

  absl::Status Take(const Link& link, const LinkRow& row,
                    PublishedFile& out) override {
    out.Put(absl::StrCat("\"", link.near.ToString(), "\" -> \"",
                         link.far.ToString(), "\" [paths=", row[3],
                         ",min_ttl=", row[2], ",flags=", row[7], "];\n"));
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    out.Put("}\n");
    return absl::OkStatus();
  }
};

template <typename Format>
absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(options, std::make_unique<Format>());
}

const Register<FormatModule> kEdgeList({"edgelist",
                                        "links, as \"near far\" a line",
                                        &Create<EdgeList>, Table::kLinks});
const Register<FormatModule> kDot({"dot", "links, as Graphviz's DOT",
                                   &Create<Dot>, Table::kLinks});

}  // namespace
}  // namespace fathom
