#include "src/dataset/parquet/byte_values.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace fathom::parquet {
namespace {

std::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Append(std::string_view bytes, std::vector<std::byte>& out) {
  const auto* const data = reinterpret_cast<const std::byte*>(bytes.data());
  out.insert(out.end(), data, data + bytes.size());
}

// Puts the distinct values in order and numbers them anew.
void Sort(Numbered& numbered) {
  const size_t count = numbered.distinct.size();
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return numbered.distinct[a] < numbered.distinct[b];
  });
  std::vector<uint32_t> ranks(count);
  std::vector<std::string_view> sorted(count);
  for (uint32_t rank = 0; rank < count; ++rank) {
    ranks[order[rank]] = rank;
    sorted[rank] = numbered.distinct[order[rank]];
  }
  numbered.distinct = std::move(sorted);
  for (uint32_t& index : numbered.indices) index = ranks[index];
}

}  // namespace

bool Number(std::span<const AddressBytes> values, Numbered& out) {
  out.distinct.clear();
  out.indices.clear();
  out.indices.reserve(values.size());
  absl::flat_hash_map<std::string_view, uint32_t> index;
  for (const AddressBytes& value : values) {
    const auto [at, fresh] = index.try_emplace(
        BytesOf(value), static_cast<uint32_t>(out.distinct.size()));
    if (fresh) {
      if (out.distinct.size() == kMaxDictionary) return false;
      out.distinct.push_back(BytesOf(value));
    }
    out.indices.push_back(at->second);
  }
  Sort(out);
  return true;
}

bool Number(const Strings& values, Numbered& out) {
  if (values.distinct().size() > kMaxDictionary) return false;
  out.distinct.assign(values.distinct().begin(), values.distinct().end());
  out.indices.assign(values.ids().begin(), values.ids().end());
  Sort(out);
  return true;
}

void AppendAddress(std::string_view address, std::vector<std::byte>& out) {
  Append(address, out);
}

void AppendString(std::string_view string, std::vector<std::byte>& out) {
  const auto size = static_cast<uint32_t>(string.size());
  char bytes[sizeof size];
  std::memcpy(bytes, &size, sizeof size);
  Append({bytes, sizeof bytes}, out);
  Append(string, out);
}

absl::Status ReadAddresses(std::span<const std::byte> bytes,
                           std::span<std::string_view> values) {
  constexpr size_t kSize = sizeof(AddressBytes);
  if (bytes.size() != values.size() * kSize) {
    return absl::DataLossError(
        absl::StrCat(bytes.size(), " bytes for ", values.size(), " addresses"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = View(bytes.subspan(i * kSize, kSize));
  }
  return absl::OkStatus();
}

absl::Status ReadStrings(std::span<const std::byte> bytes,
                         std::span<std::string_view> values) {
  for (std::string_view& value : values) {
    uint32_t size = 0;
    if (bytes.size() < sizeof size) {
      return absl::DataLossError("a page of strings that is cut short");
    }
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes = bytes.subspan(sizeof size);
    if (size > kMaxString || size > bytes.size()) {
      return absl::DataLossError(absl::StrCat("a string of ", size, " bytes"));
    }
    value = View(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  if (!bytes.empty()) {
    return absl::DataLossError(
        absl::StrCat(bytes.size(), " bytes behind the last string"));
  }
  return absl::OkStatus();
}

}  // namespace fathom::parquet
