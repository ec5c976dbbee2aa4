#ifndef FATHOM_TOOLS_QUANTITY_H_
#define FATHOM_TOOLS_QUANTITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fathom/probe.h"

namespace fathom {

// Numbers as people write and read them.

// "10000", "10K", "1.5M", "2G" in powers of ten, upper or lower case; nullopt
// for anything else, and for what is not a whole number of 1 to 10^15.
std::optional<uint64_t> ParseQuantity(std::string_view text);

// What --finish-memory may be.
absl::StatusOr<uint64_t> FinishMemory(const std::string& text);

// "90", "90s", "50ms", "1.5m", "2h", "1d": seconds where no unit is given;
// nullopt for anything else, for less than zero, and for more than 1000 days.
std::optional<Nanos> ParseDuration(std::string_view text);

// "950", "12.3 K", "4.56 M": three digits or four.
std::string FormatQuantity(double value);

// "0:05", "2:17", "1:02:03", "3d 04:00:00".
std::string FormatDuration(Nanos duration);

}  // namespace fathom

#endif  // FATHOM_TOOLS_QUANTITY_H_
