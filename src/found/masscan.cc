#include <string>
#include <string_view>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// The list of masscan -oL: hosts that answered, and no links.
//
//   #masscan
//   open icmp 0 10.0.0.1 1700000000
//   # end

namespace fathom::found {
namespace {

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    const auto words = Words(line);
    const auto address =
        words.size() >= 4 ? IpAddress::Parse(words[3]) : std::nullopt;
    if (!address) {
      return file.BadLine(
          "not a line of masscan -oL, such as \"open icmp 0 "
          "10.0.0.1 1700000000\"");
    }
    // Its other lines are "closed" and "banner".
    if (words[0] == "open") findings.AddInterface(*address);
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return head.starts_with("#masscan");
}

const Register<FoundFormat> kMasscan({"masscan", "the list of masscan -oL",
                                      &Knows, &Read});

}  // namespace
}  // namespace fathom::found
