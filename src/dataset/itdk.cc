#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"

// The text of CAIDA's Internet Topology Data Kit:
//
//   node N1:  10.0.0.1
//   link L1:  N1:10.0.0.1 N2:10.0.0.2
//
// A kit tells which interfaces are of one router; a scan does not, so that
// every interface is a node of its own here, and says so in the file. The
// number of a node is that of its address, and so the same in every file.

namespace fathom {
namespace {

// N and the address as a decimal number, of up to 39 digits.
std::string NodeOf(const IpAddress& address) {
  if (address.family() == Family::kIpv4) {
    return absl::StrCat("N", address.v4());
  }
  __extension__ using Wide = unsigned __int128;
  Wide rest = Wide{address.high()} << 64 | address.low();
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  digits += 'N';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

constexpr char kNote[] =
    "# Aliases are not resolved: every interface is a node of its own.\n"
    "# The number of a node is that of its address.\n";

class ItdkLinks final : public FieldFormat {
 public:
  void Begin(PublishedFile& out) override {
    out.Put(absl::StrCat("# written by fathom ", FATHOM_VERSION, "\n", kNote,
                         "# format: link <link_id>: <N1>:<i1> <N2>:<i2>, "
                         "the nearer node first\n"));
  }

  absl::Status Take(const Link& link, const LinkRow& /*row*/,
                    PublishedFile& out) override {
    out.Put(absl::StrCat("link L", ++count_, ":  ", NodeOf(link.near), ":",
                         link.near.ToString(), " ", NodeOf(link.far), ":",
                         link.far.ToString(), "\n"));
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& /*out*/) override { return absl::OkStatus(); }

 private:
  uint64_t count_ = 0;
};

class ItdkNodes final : public FieldFormat {
 public:
  absl::Status Take(const Link& link, const LinkRow& /*row*/,
                    PublishedFile& /*out*/) override {
    nodes_.Add(link.near);
    nodes_.Add(link.far);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    out.Put(absl::StrCat("# written by fathom ", FATHOM_VERSION, "\n", kNote,
                         "# format: node <node_id>:  <i1>\n"));
    for (const IpAddress& node : nodes_.Sorted()) {
      out.Put(
          absl::StrCat("node ", NodeOf(node), ":  ", node.ToString(), "\n"));
    }
    return absl::OkStatus();
  }

 private:
  NodeSet nodes_;
};

template <typename Format>
absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(options, std::make_unique<Format>());
}

const Register<FormatModule> kItdkLinks({"itdk-links",
                                         "links, as ITDK's .links",
                                         &Create<ItdkLinks>, Table::kLinks});
const Register<FormatModule> kItdkNodes({"itdk-nodes",
                                         "nodes of links, as ITDK's .nodes",
                                         &Create<ItdkNodes>, Table::kLinks});

}  // namespace
}  // namespace fathom
