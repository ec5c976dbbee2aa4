#include "src/lab/scenario_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace fathom::lab {
namespace {

// The name of UnicastSpace() in a file.
constexpr const char* kUnicast = "unicast";

// The whole of `text` as a number. Exponents are not read, since their minus
// would look like a range.
template <typename T>
std::optional<T> Number(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  std::from_chars_result result{};
  if constexpr (std::is_floating_point_v<T>) {
    result = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  } else {
    result = std::from_chars(text.data(), end, value);
  }
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

// The shortest text that Number reads as `value`.
template <typename T>
std::string Text(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    // A double in fixed notation has at most 1,077 digits.
    std::array<char, 1100> digits;
    const auto result =
        std::to_chars(digits.data(), digits.data() + digits.size(), value,
                      std::chars_format::fixed);
    return {digits.data(), result.ptr};
  } else {
    return absl::StrCat(value);
  }
}

template <typename T>
std::string ReadNumber(const Field& field, std::string_view text, T& value) {
  const auto number = Number<T>(text);
  if (!number) {
    const char* const wanted =
        std::is_floating_point_v<T> ? "a number" : "a whole number";
    return absl::StrCat(field.name, " = ", Shown(text), ": give ", wanted,
                        " from ", Text(field.min), " to ", Text(field.max));
  }
  // Not "a < min || a > max", which lets NaN through.
  if (!(*number >= field.min && *number <= field.max)) {
    return absl::StrCat(field.name, " = ", Shown(text), ": out of range; give ",
                        Text(field.min), " to ", Text(field.max));
  }
  value = *number;
  return "";
}

template <typename T>
std::string ReadRange(const Field& field, std::string_view text,
                      Range<T>& value) {
  const size_t dash = text.find('-');
  Range<T> range;
  std::string error = ReadNumber(field, text.substr(0, dash), range.min);
  range.max = range.min;
  if (error.empty() && dash != text.npos) {
    error = ReadNumber(field, text.substr(dash + 1), range.max);
  }
  if (!error.empty()) return error;
  if (range.min > range.max) {
    return absl::StrCat(field.name, " = ", Shown(text),
                        ": ends before it starts; give low-high");
  }
  value = range;
  return "";
}

template <typename T>
void AppendRange(const Field& field, const Range<T>& value, std::string& text) {
  absl::StrAppend(&text, field.name, " = ", Text(value.min));
  if (value.max != value.min) absl::StrAppend(&text, "-", Text(value.max));
  text += '\n';
}

}  // namespace

std::string Shown(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string shown;
  for (const char c : text.substr(0, kMost)) {
    shown += c >= ' ' && c < 127 ? c : '?';
  }
  return text.size() > kMost ? shown + "..." : shown;
}

std::string ReadValue(const Field& field, std::string_view text,
                      uint64_t& value) {
  const auto number = Number<uint64_t>(text);
  if (!number) {
    return absl::StrCat(field.name, " = ", Shown(text),
                        ": give a whole number of at most 64 bits");
  }
  value = *number;
  return "";
}

std::string ReadValue(const Field& field, std::string_view text,
                      uint32_t& value) {
  return ReadNumber(field, text, value);
}

std::string ReadValue(const Field& field, std::string_view text,
                      double& value) {
  return ReadNumber(field, text, value);
}

std::string ReadValue(const Field& field, std::string_view text,
                      Range<uint32_t>& value) {
  return ReadRange(field, text, value);
}

std::string ReadValue(const Field& field, std::string_view text,
                      Range<double>& value) {
  return ReadRange(field, text, value);
}

std::string ReadValue(const Field& field, std::string_view text,
                      IpAddress& value) {
  const auto address = IpAddress::Parse(text);
  if (!address) {
    return absl::StrCat(field.name, " = ", Shown(text),
                        ": not an address; write it like 198.18.0.1");
  }
  value = *address;
  return "";
}

std::string ReadValue(const Field& field, std::string_view text,
                      std::vector<Prefix>& value) {
  constexpr std::string_view kBetween = " \t,";
  size_t count = 0;
  for (size_t start = text.find_first_not_of(kBetween); start != text.npos;
       start = text.find_first_not_of(kBetween, start)) {
    const size_t end =
        std::min(text.find_first_of(kBetween, start), text.size());
    const std::string_view word = text.substr(start, end - start);
    start = end;
    ++count;
    if (word == kUnicast) {
      const auto all = UnicastSpace();
      value.insert(value.end(), all.begin(), all.end());
      continue;
    }
    const auto prefix = Prefix::Parse(word);
    if (!prefix) {
      return absl::StrCat(
          field.name, ": ", Shown(word),
          " is not a prefix; write it like 4.0.0.0/8, or \"unicast\" "
          "for all of IPv4");
    }
    value.push_back(*prefix);
  }
  if (count > 0) return "";
  return absl::StrCat(field.name, ": no prefix; write one like 4.0.0.0/8");
}

void AppendLines(const Field& field, uint64_t value, std::string& text) {
  absl::StrAppend(&text, field.name, " = ", value, "\n");
}

void AppendLines(const Field& field, uint32_t value, std::string& text) {
  absl::StrAppend(&text, field.name, " = ", value, "\n");
}

void AppendLines(const Field& field, double value, std::string& text) {
  absl::StrAppend(&text, field.name, " = ", Text(value), "\n");
}

void AppendLines(const Field& field, const Range<uint32_t>& value,
                 std::string& text) {
  AppendRange(field, value, text);
}

void AppendLines(const Field& field, const Range<double>& value,
                 std::string& text) {
  AppendRange(field, value, text);
}

void AppendLines(const Field& field, const IpAddress& value,
                 std::string& text) {
  absl::StrAppend(&text, field.name, " = ", value.ToString(), "\n");
}

void AppendLines(const Field& field, const std::vector<Prefix>& value,
                 std::string& text) {
  if (value == UnicastSpace()) {
    absl::StrAppend(&text, field.name, " = ", kUnicast, "\n");
    return;
  }
  for (const Prefix& prefix : value) {
    absl::StrAppend(&text, field.name, " = ", prefix.ToString(), "\n");
  }
}

}  // namespace fathom::lab
