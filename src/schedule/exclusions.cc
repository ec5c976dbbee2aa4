#include "src/schedule/exclusions.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "src/base/status_macros.h"

namespace fathom {

absl::StatusOr<Exclusions> LoadExclusions(std::span<const std::string> paths) {
  std::vector<PrefixSet::Range> ranges;
  const auto take = [&ranges](std::span<const AddressBlock> blocks) {
    for (const AddressBlock& block : blocks) {
      const auto host = static_cast<uint32_t>(0xffff'ffffULL >> block.length);
      ranges.push_back({block.first, block.first | host});
    }
    return absl::OkStatus();
  };
  std::vector<AddressFileSummary> files;
  for (const std::string& path : paths) {
    if (path == "-") {
      return absl::InvalidArgumentError(
          "exclusions are not read from standard input; give a file");
    }
    FATHOM_ASSIGN_OR_RETURN(AddressFileSummary file,
                            ReadAddressFile(path, take));
    files.push_back(std::move(file));
  }
  return Exclusions{PrefixSet::FromRanges(std::move(ranges)), std::move(files)};
}

}  // namespace fathom
