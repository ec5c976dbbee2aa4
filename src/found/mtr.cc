#include <optional>
#include <string>
#include <string_view>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/json.h"
#include "src/found/text.h"

// The reports of `mtr --json -n`, one or several after each other. mtr keeps
// one responder a distance, whatever the flow; each report counts as a flow.

namespace fathom::found {
namespace {

using Json = nlohmann::json;

absl::Status ReadReport(const FoundFile& file, const Json& document,
                        uint32_t flow, Findings& findings) {
  const Json& report = Member(document, "report");
  const Json& mtr = Member(report, "mtr");
  const Json& hubs = Member(report, "hubs");
  if (!mtr.is_object() || !hubs.is_array()) {
    return file.BadLine("the report that ends here has no mtr or no hubs");
  }
  const auto target = AddressIn(mtr, "dst");
  if (!target) {
    return file.BadLine(
        "the report that ends here names its target; run mtr with an address");
  }
  for (const Json& hub : hubs) {
    // What is silent is "???", and what has a name cannot be compared.
    const auto responder = AddressIn(hub, "host");
    const auto ttl = NumberIn(hub, "count", 255);
    if (!ttl) return file.BadLine("the report that ends here has a bad count");
    if (!responder) continue;
    findings.AddHop(
        *target, flow, static_cast<unsigned>(*ttl), *responder,
        *responder == *target ? ReplyKind::kDestination : ReplyKind::kHop);
  }
  return absl::OkStatus();
}

// A report ends where a line is "}" and nothing else.
absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  std::string text;
  uint32_t reports = 0;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextLine(&line));
    if (!any) break;
    text.append(line);
    if (text.size() > FoundFile::kMaxRecord) {
      return file.BadLine("a report of more than 64 MB");
    }
    if (line != "}") continue;
    const Json document = ParseJson(text);
    if (!document.is_object()) {
      return file.BadLine("the report that ends here is not JSON");
    }
    FATHOM_RETURN_IF_ERROR(ReadReport(file, document, reports++, findings));
    text.clear();
  }
  if (Strip(text).empty()) return absl::OkStatus();
  return file.BadLine("the last report does not end; was mtr cut short?");
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return head.starts_with('{') && head.find("\"report\"") != head.npos &&
         head.find("\"mtr\"") != head.npos;
}

const Register<FoundFormat> kMtr({"mtr", "reports of mtr --json -n", &Knows,
                                  &Read});

}  // namespace
}  // namespace fathom::found
