#include <optional>
#include <string>
#include <string_view>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/json.h"
#include "src/found/text.h"

// What sc_warts2json writes: a JSON object a line, of which those of the type
// "trace" are read. Each is a flow of its own.

namespace fathom::found {
namespace {

using Json = nlohmann::json;

absl::Status ReadTrace(const FoundFile& file, const Json& trace, uint32_t flow,
                       Findings& findings) {
  const auto target = AddressIn(trace, "dst");
  if (!target) return file.BadLine("a trace without an address in \"dst\"");
  for (const Json& hop : Member(trace, "hops")) {
    const auto responder = AddressIn(hop, "addr");
    const auto ttl = NumberIn(hop, "probe_ttl", 255);
    if (!responder || !ttl) {
      return file.BadLine("a hop without \"addr\" or \"probe_ttl\"");
    }
    // An answer over TCP has no ICMP type.
    const auto type = NumberIn(hop, "icmp_type", 255);
    findings.AddHop(
        *target, flow, static_cast<unsigned>(*ttl), *responder,
        KindOf(static_cast<unsigned>(type.value_or(0)), *responder, *target));
  }
  return absl::OkStatus();
}

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  uint32_t traces = 0;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    const Json object = ParseJson(line);
    if (!object.is_object()) {
      return file.BadLine(
          "not a JSON object; if the file was cut short, remove this line");
    }
    if (Text(object, "type") != "trace") continue;
    FATHOM_RETURN_IF_ERROR(ReadTrace(file, object, traces++, findings));
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  const std::string_view line = FirstLine(head);
  for (const std::string_view start :
       {"{\"type\":\"trace\"", "{\"type\":\"cycle-st", "{\"type\": \"trace\"",
        "{\"type\": \"cycle-st"}) {
    if (line.starts_with(start)) return true;
  }
  return false;
}

const Register<FoundFormat> kScamperJson({"scamper-json",
                                          "scamper's traces, by sc_warts2json",
                                          &Knows, &Read});

}  // namespace
}  // namespace fathom::found
