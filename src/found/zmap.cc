#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// The CSV of zmap, or any list of addresses: hosts that answered, and no
// links. With a header its column saddr is read, of rows whose column success,
// if there is one, is not 0; without one a line is an address.

namespace fathom::found {
namespace {

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  size_t count = 0, saddr = 0;
  std::optional<size_t> success;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    const auto row = Fields(line);
    if (count == 0) {
      count = row.size();
      const auto at = std::find(row.begin(), row.end(), "saddr");
      if (at != row.end()) {
        saddr = static_cast<size_t>(at - row.begin());
        const auto flag = std::find(row.begin(), row.end(), "success");
        if (flag != row.end()) success = flag - row.begin();
        continue;
      }
    }
    if (row.size() != count) {
      return file.BadLine(
          absl::StrCat(row.size(), " fields where ", count, " were expected"));
    }
    const auto address = IpAddress::Parse(row[saddr]);
    if (!address) {
      return file.BadLine(absl::StrCat(
          Quote(row[saddr]),
          " is not an address; a header with a column saddr says where it "
          "stands"));
    }
    if (success && row[*success] == "0") continue;
    findings.AddInterface(*address);
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  const std::string_view line = FirstLine(head);
  const auto row = Fields(line);
  return IpAddress::Parse(line).has_value() ||
         std::find(row.begin(), row.end(), "saddr") != row.end();
}

const Register<FoundFormat> kZmap({"zmap", "zmap's CSV, or a list of addresses",
                                   &Knows, &Read});

}  // namespace
}  // namespace fathom::found
