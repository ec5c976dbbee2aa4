#ifndef FATHOM_SRC_FOUND_TEXT_H_
#define FATHOM_SRC_FOUND_TEXT_H_

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/address.h"

namespace fathom::found {

// The pieces of a line. Pieces point into the line.

inline std::string_view Strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// What stands between runs of spaces and tabs.
inline std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = Strip(line)).empty()) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

// What stands between commas, stripped and without double quotes. A comma in
// double quotes does not count.
inline std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  bool quoted = false;
  size_t start = 0;
  for (size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (line[i] != ',' || quoted)) continue;
    std::string_view field = Strip(line.substr(start, i - start));
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
      field = field.substr(1, field.size() - 2);
    }
    fields.push_back(field);
    start = i + 1;
  }
  return fields;
}

// Digits and nothing else, up to `max`.
inline std::optional<uint64_t> ParseNumber(std::string_view text,
                                           uint64_t max) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value > max) return std::nullopt;
  return value;
}

// "text" as an error shows it: cut, and without what a terminal would obey.
inline std::string Quote(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMost)) {
    quoted += c >= ' ' && c < 127 ? c : '?';
  }
  return quoted + (text.size() > kMost ? "...\"" : "\"");
}

// The first line of a file that begins with `head`.
inline std::string_view FirstLine(std::string_view head) {
  return Strip(head.substr(0, std::min(head.find('\n'), head.size())));
}

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_TEXT_H_
