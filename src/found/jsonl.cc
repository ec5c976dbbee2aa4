#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/tables.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/json.h"
#include "src/found/text.h"

// One JSON object a line, as `fathom convert --to jsonl` writes links, gaps
// and hops. Which of them a line is, its keys tell.

namespace fathom::found {
namespace {

using Json = nlohmann::json;

// The bits of what is in `names`; an unknown name is none.
uint8_t FlagsIn(const Json& names) {
  unsigned flags = 0;
  for (const Json& name : names) {
    for (size_t i = 0; i < std::size(kFlagNames); ++i) {
      if (name == kFlagNames[i]) flags |= 1U << i;
    }
  }
  return static_cast<uint8_t>(flags);
}

absl::Status ReadLink(const FoundFile& file, const Json& row,
                      Findings& findings) {
  const auto near = AddressIn(row, "near");
  const auto far = AddressIn(row, "far");
  if (!near || !far) return file.BadLine("a link without near or far");
  FoundLink more;
  const auto target = AddressIn(row, "target");
  if (target && target->family() == Family::kIpv4) more.target = target->v4();
  more.ttl = static_cast<uint8_t>(NumberIn(row, "min_ttl", 255).value_or(0));
  const Json& flags = Member(row, "flags");
  if (flags.is_array()) more.flags = FlagsIn(flags);
  if (NumberIn(row, "gap", 255).value_or(0) == 0) {
    findings.AddLink(*near, *far, more);
  }
  return absl::OkStatus();
}

absl::Status ReadHop(const FoundFile& file, const Json& row,
                     Findings& findings) {
  const auto target = AddressIn(row, "target");
  const auto responder = AddressIn(row, "responder");
  const auto ttl = NumberIn(row, "ttl", 255);
  const auto* const kind = std::find(std::begin(kKindNames),
                                     std::end(kKindNames), Text(row, "kind"));
  if (!target || !responder || !ttl || kind == std::end(kKindNames)) {
    return file.BadLine(
        "neither a link (near, far) nor a hop (target, ttl, responder, kind) "
        "of fathom");
  }
  findings.AddHop(
      *target,
      static_cast<uint32_t>(NumberIn(row, "flow", 0xffffffff).value_or(0)),
      static_cast<unsigned>(*ttl), *responder,
      static_cast<ReplyKind>(kind - std::begin(kKindNames)));
  return absl::OkStatus();
}

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    const Json row = ParseJson(line);
    if (!row.is_object()) return file.BadLine("not a JSON object");
    FATHOM_RETURN_IF_ERROR(row.contains("near") ? ReadLink(file, row, findings)
                                                : ReadHop(file, row, findings));
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  const std::string_view line = FirstLine(head);
  return line.starts_with("{\"near\":") || line.starts_with("{\"target\":");
}

const Register<FoundFormat> kJsonl({"jsonl", "JSON lines of fathom convert",
                                    &Knows, &Read});

}  // namespace
}  // namespace fathom::found
