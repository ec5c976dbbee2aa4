#include "tools/flags.h"

#include <random>

#include "absl/strings/numbers.h"

namespace fathom {

absl::Status Wrong(const std::string& option, const std::string& value,
                   const std::string& wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(option, " ", value, ": ", wanted));
}

absl::StatusOr<uint64_t> ToSeed(const std::string& value) {
  if (value.empty()) {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }
  uint64_t seed = 0;
  if (!absl::SimpleAtoi(value, &seed)) {
    return Wrong("--seed", value, "not a whole number below 2^64");
  }
  return seed;
}

}  // namespace fathom
