#include "src/annotate/text.h"

#include <array>

namespace fathom {
namespace {

// The length of the character of UTF-8 with which `text` begins; 0 if that is
// none, or a control character (C0, DEL, C1), or changes the direction in which
// the rest is read.
size_t PrintableLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0   ? 4
                        : first >= 0xe0 ? 3
                        : first >= 0xc2 ? 2
                                        : 0;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  uint32_t code = first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  const bool control = code < 0xa0;
  const bool direction = (code >= 0x200e && code <= 0x200f) ||
                         (code >= 0x2028 && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
  if (code < kLeast[length] || code > 0x10ffff || surrogate || control ||
      direction) {
    return 0;
  }
  return length;
}

}  // namespace

std::string Printable(std::string_view text) {
  constexpr size_t kMost = 200;
  std::string result;
  while (!text.empty()) {
    const size_t length = PrintableLength(text);
    if (result.size() + (length == 0 ? 1 : length) > kMost) break;
    if (length == 0) {
      result += '?';
      text.remove_prefix(1);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

}  // namespace fathom
