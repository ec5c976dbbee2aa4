#include "src/schedule/address_list.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "fathom/address.h"
#include "fathom/prefix.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

absl::string_view Absl(std::string_view text) {
  return {text.data(), text.size()};
}

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a decimal number without leading zeros and at most `max`, and moves
// `at` past it. REQUIRES: what is read ends in something that is no digit.
bool ReadNumber(const char*& at, uint32_t max, uint32_t& number) {
  if (!IsDigit(*at)) return false;
  number = static_cast<uint32_t>(*at++ - '0');
  if (number == 0) return !IsDigit(*at);
  while (IsDigit(*at)) {
    number = number * 10 + static_cast<uint32_t>(*at++ - '0');
    if (number > max) return false;
  }
  return true;
}

// The fast way through nearly all lines of IPv4: "a.b.c.d" or "a.b.c.d/n" and a
// line end, nothing else. Returns where the next line begins, or null if the
// line needs a closer look. REQUIRES: the text ends in '\n'.
const char* ReadPlainIpv4(const char* at, AddressBlock& block,
                          bool& is_prefix) {
  uint32_t address = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t octet;
    if (i > 0 && *at++ != '.') return nullptr;
    if (!ReadNumber(at, 255, octet)) return nullptr;
    address = address << 8 | octet;
  }
  uint32_t length = 32;
  is_prefix = *at == '/';
  if (is_prefix) {
    ++at;
    if (!ReadNumber(at, 32, length)) return nullptr;
    if ((address & (uint64_t{0xffff'ffff} >> length)) != 0) return nullptr;
  }
  if (*at == '\r') ++at;
  if (*at != '\n') return nullptr;
  block = {IpAddress::V4(address), static_cast<uint8_t>(length)};
  return at + 1;
}

// The digit's value, or -1.
constexpr int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Groups of IPv6 as they are read; there are at most eight.
struct Groups {
  uint16_t values[8];
  int count = 0;
  int gap = -1;  // Before which of them the "::" stands.

  IpAddress ToAddress() const {
    uint64_t halves[2] = {0, 0};
    for (int i = 0; i < count; ++i) {
      const int place = gap >= 0 && i >= gap ? 8 - count + i : i;
      halves[place / 4] |= uint64_t{values[i]} << (48 - place % 4 * 16);
    }
    return IpAddress::V6(halves[0], halves[1]);
  }
};

// Reads groups without dotted IPv4 at the end, and moves `at` past them.
// REQUIRES: what is read ends in something that is neither digit nor colon.
bool ReadGroups(const char*& at, Groups& groups) {
  if (at[0] == ':') {
    if (at[1] != ':') return false;
    at += 2;
    groups.gap = 0;
    if (HexDigit(*at) < 0) return true;
  }
  while (true) {
    int digits = 0;
    unsigned value = 0;
    for (int digit = HexDigit(*at); digit >= 0; digit = HexDigit(*++at)) {
      value = value << 4 | static_cast<unsigned>(digit);
      if (++digits > 4) return false;
    }
    if (digits == 0 || groups.count == 8) return false;
    groups.values[groups.count++] = static_cast<uint16_t>(value);
    if (*at != ':') break;
    ++at;
    if (*at != ':') continue;
    if (groups.gap >= 0) return false;
    ++at;
    groups.gap = groups.count;
    if (HexDigit(*at) < 0) break;
  }
  return groups.gap >= 0 ? groups.count < 8 : groups.count == 8;
}

// The same as ReadPlainIpv4() for IPv6: hitlists have ten million such lines.
const char* ReadPlainIpv6(const char* at, AddressBlock& block,
                          bool& is_prefix) {
  Groups groups;
  if (!ReadGroups(at, groups)) return nullptr;
  const IpAddress address = groups.ToAddress();
  uint32_t length = 128;
  is_prefix = *at == '/';
  if (is_prefix) {
    ++at;
    if (!ReadNumber(at, 128, length)) return nullptr;
  }
  if (*at == '\r') ++at;
  // IPv4 in the form of IPv6 is for the closer look.
  if (*at != '\n' || address.family() == Family::kIpv4) return nullptr;
  if (is_prefix &&
      Prefix(address, static_cast<uint8_t>(length)).first() != address) {
    return nullptr;
  }
  block = {address, static_cast<uint8_t>(length)};
  return at + 1;
}

// `line` without its comment and the white space around what is left.
std::string_view Strip(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == line.npos) return {};
  const size_t end = line.find_last_not_of(" \t\r");
  // A lone carriage return is white space only at the end.
  return end == line.npos || end < begin ? std::string_view()
                                         : line.substr(begin, end - begin + 1);
}

// What may be wrong with a prefix whose address is sound.
std::string PrefixProblem(const IpAddress& address, std::string_view digits) {
  uint32_t length = 0;
  const bool ipv4 = address.family() == Family::kIpv4;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, length);
  if (error != std::errc() || stop != end || length > (ipv4 ? 32 : 128)) {
    return ipv4 ? "the length of an IPv4 prefix is a number from 0 to 32"
                : "the length of an IPv6 prefix is a number from 0 to 128";
  }
  return absl::StrCat("host bits are set; did you mean ",
                      Prefix(address, static_cast<uint8_t>(length)).ToString(),
                      " or ", address.ToString(), "?");
}

// What is wrong with `text`, which is no address or prefix, and what to do.
std::string Problem(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (text.find_first_of(" \t,;") != text.npos) {
    return "more than an address or prefix; put one a line, and what else "
           "there is behind a #";
  }
  if (address && address->family() == Family::kIpv4 &&
      text.find(':') != text.npos) {
    return absl::StrCat("IPv4 in the form of IPv6; write it as ",
                        address->ToString());
  }
  if (address) return PrefixProblem(*address, text.substr(slash + 1));
  const size_t dash = text.find('-');
  if (dash != text.npos && IpAddress::Parse(text.substr(0, dash))) {
    return "ranges are not supported; write them as prefixes";
  }
  if (text.find_first_not_of("0123456789./") == text.npos) {
    return "not an IPv4 address or prefix; four numbers from 0 to 255 without "
           "leading zeros are wanted";
  }
  return "not an address or prefix; host names and ports are not understood";
}

// What `text`, a stripped line, names.
std::optional<Prefix> ParseText(std::string_view text) {
  const auto prefix = Prefix::Parse(text);
  // IPv4 in the v4-mapped form of IPv6 is too clever for a list that must not
  // be misread.
  if (prefix && prefix->family() == Family::kIpv4 &&
      text.find(':') != text.npos) {
    return std::nullopt;
  }
  return prefix;
}

}  // namespace

absl::Status AddressListParser::Feed(std::string_view text,
                                     std::vector<AddressBlock>& out) {
  if (skipping_ || !partial_.empty()) {
    const size_t end = text.find('\n');
    if (!skipping_) {
      FATHOM_RETURN_IF_ERROR(KeepPartial(text.substr(0, end), out));
    }
    if (end == text.npos) return absl::OkStatus();
    if (!skipping_) FATHOM_RETURN_IF_ERROR(ReadLine(partial_, out));
    partial_.clear();
    skipping_ = false;
    text.remove_prefix(end + 1);
  }
  const size_t last = text.rfind('\n');
  const size_t whole = last == text.npos ? 0 : last + 1;
  FATHOM_RETURN_IF_ERROR(ReadLines(text.substr(0, whole), out));
  return KeepPartial(text.substr(whole), out);
}

absl::Status AddressListParser::KeepPartial(std::string_view text,
                                            std::vector<AddressBlock>& out) {
  // One byte more than a line may have is enough to see that it is too long.
  partial_.append(text.substr(0, kMaxLine + 1 - partial_.size()));
  if (partial_.size() <= kMaxLine) return absl::OkStatus();
  FATHOM_RETURN_IF_ERROR(ReadLine(partial_, out));
  partial_.clear();
  skipping_ = true;
  return absl::OkStatus();
}

absl::Status AddressListParser::Finish(std::vector<AddressBlock>& out) {
  if (!partial_.empty()) FATHOM_RETURN_IF_ERROR(ReadLine(partial_, out));
  partial_.clear();
  if (counts_.bad == 0) return absl::OkStatus();
  const uint64_t unsaid =
      counts_.bad - std::min(counts_.bad, uint64_t{kMaxReported});
  return absl::InvalidArgumentError(absl::StrCat(
      "read ", name_, ": ", counts_.bad, " of ", counts_.lines,
      " lines cannot be used", report_,
      unsaid > 0 ? absl::StrCat("\n  and ", unsaid, " more") : ""));
}

absl::Status AddressListParser::ReadLines(std::string_view lines,
                                          std::vector<AddressBlock>& out) {
  const char* at = lines.data();
  const char* const end = at + lines.size();
  while (at < end) {
    AddressBlock block;
    bool is_prefix;
    const char* next = ReadPlainIpv4(at, block, is_prefix);
    if (next == nullptr) next = ReadPlainIpv6(at, block, is_prefix);
    if (next != nullptr) {
      ++counts_.lines;
      Take(block, is_prefix, out);
      at = next;
      continue;
    }
    const char* const stop = std::find(at, end, '\n');
    const auto length = static_cast<size_t>(stop - at);
    FATHOM_RETURN_IF_ERROR(ReadLine({at, std::min(length, kMaxLine + 1)}, out));
    at = stop + 1;
  }
  return absl::OkStatus();
}

absl::Status AddressListParser::ReadLine(std::string_view line,
                                         std::vector<AddressBlock>& out) {
  ++counts_.lines;
  if (line.find('\0') != line.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", name_, ": line ", counts_.lines,
                     " holds a zero byte; this is not plain text (is it "
                     "compressed, or UTF-16?)"));
  }
  if (line.size() > kMaxLine) {
    Reject(line, absl::StrCat("longer than ", kMaxLine, " bytes"));
    return absl::OkStatus();
  }
  if (counts_.lines == 1 && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  const std::string_view text = Strip(line);
  if (text.empty()) return absl::OkStatus();
  const std::optional<Prefix> prefix = ParseText(text);
  if (!prefix) {
    Reject(text, Problem(text));
    return absl::OkStatus();
  }
  Take({prefix->first(), prefix->length()}, text.find('/') != text.npos, out);
  return absl::OkStatus();
}

void AddressListParser::Take(const AddressBlock& block, bool is_prefix,
                             std::vector<AddressBlock>& out) {
  ++(is_prefix ? counts_.prefixes : counts_.addresses);
  if (block.first.family() == Family::kIpv6) ++counts_.ipv6;
  out.push_back(block);
}

void AddressListParser::Reject(std::string_view text,
                               std::string_view problem) {
  constexpr size_t kMaxShown = 48;
  if (++counts_.bad > kMaxReported) return;
  absl::StrAppend(&report_, "\n  ", name_, ":", counts_.lines, ": \"",
                  absl::CHexEscape(Absl(text.substr(0, kMaxShown))),
                  text.size() > kMaxShown ? "...\": " : "\": ", Absl(problem));
}

}  // namespace fathom
