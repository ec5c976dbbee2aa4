#include "fathom/dataset.h"

#include <memory>
#include <string>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"

// A dataset of fathom: its links, and all who answered, from its hops. Pairs
// with a gap are not asserted and so are no links.

namespace fathom::found {
namespace {

absl::Status Read(FoundFile& file, Findings& findings) {
  FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(file.path()));
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
    if (links.empty()) break;
    for (const Link& link : links) {
      if (link.gap != 0) continue;
      findings.AddLink(link.near, link.far,
                       {.target = link.target.v4(),
                        .ttl = link.min_ttl.value(),
                        .flags = link.flags});
    }
  }
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
    if (replies.empty()) return absl::OkStatus();
    for (const Reply& reply : replies) findings.AddInterface(reply.responder);
  }
}

bool Knows(const std::string& path, std::string_view head) {
  if (!head.empty()) return false;
  return FoundFile::Open(path + "/manifest.json").ok();
}

const Register<FoundFormat> kDataset({"dataset", "a dataset of fathom", &Knows,
                                      &Read});

}  // namespace
}  // namespace fathom::found
