#include "src/schedule/exclusions.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "fathom/prefix.h"
#include "src/base/status_macros.h"

namespace fathom {

absl::StatusOr<Exclusions> LoadExclusions(std::span<const std::string> paths) {
  std::vector<PrefixSet::Range> ranges;
  std::vector<PrefixSet::Range6> ranges6;
  const auto take = [&](std::span<const AddressBlock> blocks) {
    for (const AddressBlock& block : blocks) {
      const IpAddress last = Prefix(block.first, block.length).last();
      if (block.first.family() == Family::kIpv4) {
        ranges.push_back({block.first.v4(), last.v4()});
      } else {
        ranges6.push_back({block.first, last});
      }
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
  return Exclusions{
      PrefixSet::FromRanges(std::move(ranges), std::move(ranges6)),
      std::move(files)};
}

}  // namespace fathom
