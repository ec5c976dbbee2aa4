#ifndef FATHOM_SRC_DATASET_PARQUET_BYTE_VALUES_H_
#define FATHOM_SRC_DATASET_PARQUET_BYTE_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "src/dataset/parquet/schema.h"

namespace fathom::parquet {

// Values that are bytes, not numbers: IPv6 addresses (FIXED_LEN_BYTE_ARRAY) and
// strings (BYTE_ARRAY), in the encoding PLAIN, and numbered for a dictionary.
// Bytes are ordered as unsigned, which is Parquet's order for both.

// No string is longer, and no page of strings larger: a writer ends a row group
// early that would need more.
inline constexpr size_t kMaxString = 4096;
inline constexpr size_t kMaxStringPage = 64 << 20;

// The distinct values of a column, ascending, and for each row which it is.
struct Numbered {
  std::vector<std::string_view> distinct;  // Point into what was numbered.
  std::vector<uint32_t> indices;
};

// False, with nothing of use in `out`, if there are more than kMaxDictionary.
bool Number(std::span<const AddressBytes> values, Numbered& out);
bool Number(const Strings& values, Numbered& out);

// PLAIN: addresses as they are, strings behind four bytes of length.
void AppendAddress(std::string_view address, std::vector<std::byte>& out);
void AppendString(std::string_view string, std::vector<std::byte>& out);

// Fill `values` exactly, or say what is wrong. The views point into `bytes`.
absl::Status ReadAddresses(std::span<const std::byte> bytes,
                           std::span<std::string_view> values);
absl::Status ReadStrings(std::span<const std::byte> bytes,
                         std::span<std::string_view> values);

// A number as it stands in a file.
template <typename T>
std::string ValueBytes(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::string_view BytesOf(const AddressBytes& address) {
  return {reinterpret_cast<const char*>(address.data()), address.size()};
}

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_BYTE_VALUES_H_
