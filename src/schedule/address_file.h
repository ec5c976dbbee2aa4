#ifndef FATHOM_SRC_SCHEDULE_ADDRESS_FILE_H_
#define FATHOM_SRC_SCHEDULE_ADDRESS_FILE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "src/schedule/address_list.h"

namespace fathom {

// What was read, for the manifest of a scan.
struct AddressFileSummary {
  std::string path;
  AddressListCounts counts;
  uint64_t bytes = 0;
  uint64_t xxh3 = 0;  // XXH3-64 of all bytes.
};

// Reads a list of addresses (see address_list.h) from a file, a pipe, or, if
// `path` is "-", standard input, in blocks of 1 MiB. `take` gets what the
// lines name, in order and many at a time; it may fail to stop the reading.
// Errors name the file, what is wrong in it and where.
absl::StatusOr<AddressFileSummary> ReadAddressFile(
    const std::string& path,
    const std::function<absl::Status(std::span<const AddressBlock>)>& take);

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_ADDRESS_FILE_H_
