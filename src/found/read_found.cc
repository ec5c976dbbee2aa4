#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"

namespace fathom::found {
namespace {

// Enough to see the first line of any format.
constexpr size_t kHead = 4096;

absl::StatusOr<FoundFormat> FindFormat(FoundFile& file) {
  FATHOM_ASSIGN_OR_RETURN(const std::string_view head, file.Peek(kHead));
  std::string names;
  for (const FoundFormat& format : Register<FoundFormat>::All()) {
    if (format.knows(file.path(), head)) return format;
    absl::StrAppend(&names, names.empty() ? "" : ", ", format.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file.path(),
                   ": in no format that is known by its start; "
                   "name one with --format: ",
                   names));
}

}  // namespace

absl::StatusOr<FoundTopology> ReadFound(const std::string& path,
                                        const std::string& format) {
  FATHOM_ASSIGN_OR_RETURN(FoundFile file, FoundFile::Open(path));
  FATHOM_ASSIGN_OR_RETURN(const FoundFormat module,
                          format == "auto"
                              ? FindFormat(file)
                              : Register<FoundFormat>::Find(format));
  Findings findings;
  FATHOM_RETURN_IF_ERROR(module.read(file, findings));
  return findings.Take(module.name);
}

}  // namespace fathom::found
