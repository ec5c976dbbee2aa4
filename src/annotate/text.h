#ifndef FATHOM_SRC_ANNOTATE_TEXT_H_
#define FATHOM_SRC_ANNOTATE_TEXT_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/prefix.h"

namespace fathom {

// The pieces of lines that tell of networks, and what may be shown of them.

inline std::string_view Strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Takes what stands before the next space, tab or comma, and these.
inline std::string_view TakeWord(std::string_view& line,
                                 std::string_view ends = " \t") {
  const size_t end = line.find_first_of(ends);
  const std::string_view word = line.substr(0, end);
  line = end == line.npos ? std::string_view() : Strip(line.substr(end + 1));
  return word;
}

// Digits and nothing else, up to `max`.
inline std::optional<uint32_t> ParseNumber(std::string_view text,
                                           uint32_t max = 0xffff'ffff) {
  uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value > max) return std::nullopt;
  return value;
}

// "13335" or "AS13335".
inline std::optional<uint32_t> ParseAsn(std::string_view text) {
  if (text.starts_with("AS") || text.starts_with("as")) text.remove_prefix(2);
  return ParseNumber(text);
}

// The prefix of `length` bits that holds `address`; nullopt if there is none.
// An IPv6 prefix that holds all of IPv4 in its v4-mapped form is none.
inline std::optional<Prefix> MakePrefix(const IpAddress& address,
                                        uint32_t length) {
  const bool v4 = address.family() == Family::kIpv4;
  if (length > (v4 ? 32 : 128)) return std::nullopt;
  const Prefix prefix(address, static_cast<uint8_t>(length));
  if (prefix.family() != address.family()) return std::nullopt;
  return prefix;
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

// `text` as it may be shown and stored: UTF-8 without control characters, of
// 200 bytes at most. What is neither becomes '?'.
std::string Printable(std::string_view text);

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_TEXT_H_
