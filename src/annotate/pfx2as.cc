#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/status_macros.h"

// Prefixes and the ASes that announce them, in text, as CAIDA publishes them:
//
//   1.0.0.0<TAB>24<TAB>13335
//
// Of several ASes ("1_2") the first counts, which announces most of it, and of
// a set ("1,2") the first as well. "1.0.0.0/24 13335" will do, too.

namespace fathom {
namespace {

// The prefix that a line begins with, taken off it.
std::optional<Prefix> TakePrefix(std::string_view& line) {
  std::string_view word = TakeWord(line);
  const size_t slash = word.find('/');
  const auto length = ParseNumber(
      slash == word.npos ? TakeWord(line) : word.substr(slash + 1), 128);
  const auto address = IpAddress::Parse(word.substr(0, slash));
  if (!address || !length) return std::nullopt;
  const auto prefix = MakePrefix(*address, *length);
  if (!prefix || prefix->first() != *address) return std::nullopt;
  return prefix;
}

bool Matches(std::string_view head, std::string_view /*tail*/) {
  while (!head.empty()) {
    const size_t end = head.find('\n');
    std::string_view line = Strip(head.substr(0, end));
    head.remove_prefix(end == head.npos ? head.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string_view word = TakeWord(line);
    return IpAddress::Parse(word.substr(0, word.find('/'))).has_value();
  }
  return false;
}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  std::vector<PrefixTable::Entry> entries;
  uint64_t skipped = 0;
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool more, file.NextText(&line));
    if (!more) break;
    const std::string_view whole = line;
    const auto prefix = TakePrefix(line);
    if (!prefix) {
      return file.BadLine(
          absl::StrCat("no prefix, or one with host bits set: ", Quote(whole)));
    }
    const auto asn = ParseAsn(TakeWord(line, "_, \t"));
    if (!asn || *asn == PrefixTable::kNone) {
      return file.BadLine(
          absl::StrCat("no AS after the prefix: ", Quote(whole)));
    }
    if (entries.size() == kMaxNetworks) {
      return file.BadLine("too many prefixes");
    }
    // AS 0 says that nobody announces it (RFC 7607).
    if (*asn == 0) {
      ++skipped;
    } else {
      entries.push_back({*prefix, *asn});
    }
  }
  return std::make_unique<AsTable>(std::move(entries), skipped);
}

const Register<NetworkFormat> kPfx2as({"pfx2as",
                                       "prefixes and their AS, in text",
                                       &Matches, &Read});

}  // namespace
}  // namespace fathom
