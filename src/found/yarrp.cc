#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// The text of yarrp (.yrp): lines of "# key: value", then a line a reply,
//
//   target sec usec type code ttl hop rtt ipid psize rsize rttl rtos mpls count
//
// Versions before 0.7 lack mpls. One flow a target.

namespace fathom::found {
namespace {

constexpr size_t kFields = 15;

absl::Status ReadReply(const FoundFile& file,
                       const std::vector<std::string_view>& words,
                       Findings& findings) {
  const auto target = IpAddress::Parse(words[0]);
  const auto hop = IpAddress::Parse(words[6]);
  const auto type = ParseNumber(words[3], 255);
  // TCP answers have types that are no ICMP's; they are the targets'.
  const auto ttl = ParseNumber(words[5], 255);
  if (!target || !hop || !type || !ttl) {
    return file.BadLine(
        "the target, type, ttl or hop of a reply cannot be read");
  }
  findings.AddHop(*target, 0, static_cast<unsigned>(*ttl), *hop,
                  KindOf(static_cast<unsigned>(*type), *hop, *target));
  return absl::OkStatus();
}

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    const auto words = Words(line);
    if (words.size() != kFields && words.size() != kFields - 1) {
      return file.BadLine(absl::StrCat(
          words.size(),
          " fields where yarrp writes 15; if it was cut short while it wrote, "
          "remove this line"));
    }
    FATHOM_RETURN_IF_ERROR(ReadReply(file, words, findings));
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  if (head.starts_with("# ") &&
      (head.find("# yarrp") != head.npos ||
       head.find("# Output_Fields: target sec usec") != head.npos ||
       head.find("# Trace_Type: ") != head.npos)) {
    return true;
  }
  const auto words = Words(FirstLine(head));
  return (words.size() == kFields || words.size() == kFields - 1) &&
         IpAddress::Parse(words[0]) && IpAddress::Parse(words[6]);
}

const Register<FoundFormat> kYarrp({"yarrp", "yarrp's text", &Knows, &Read});

}  // namespace
}  // namespace fathom::found
