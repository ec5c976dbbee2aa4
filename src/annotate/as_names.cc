#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/status_macros.h"

// Names of ASes in text, as RIPE and others publish them:
//
//   13335 CLOUDFLARENET, US
//
// An AS number, with or without "AS" before it, and the rest of the line.

namespace fathom {
namespace {

class AsNames final : public NetworkSource {
 public:
  explicit AsNames(absl::flat_hash_map<uint32_t, std::string> names)
      : names_(std::move(names)) {}

  void Tell(const IpAddress& /*address*/,
            Annotation* /*annotation*/) const override {}

  std::string NameOfAs(uint32_t asn,
                       const IpAddress& /*address*/) const override {
    const auto name = names_.find(asn);
    return name == names_.end() ? std::string() : name->second;
  }

 private:
  const absl::flat_hash_map<uint32_t, std::string> names_;
};

bool Matches(std::string_view head, std::string_view /*tail*/) {
  while (!head.empty()) {
    const size_t end = head.find('\n');
    std::string_view line = Strip(head.substr(0, end));
    head.remove_prefix(end == head.npos ? head.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    return ParseAsn(TakeWord(line)).has_value() && !line.empty();
  }
  return false;
}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  absl::flat_hash_map<uint32_t, std::string> names;
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool more, file.NextText(&line));
    if (!more) break;
    const std::string_view whole = line;
    const auto asn = ParseAsn(TakeWord(line));
    if (!asn) {
      return file.BadLine(absl::StrCat("no number of an AS: ", Quote(whole)));
    }
    if (names.size() == kMaxNetworks) return file.BadLine("too many names");
    if (!line.empty()) names.try_emplace(*asn, Printable(line));
  }
  return std::make_unique<AsNames>(std::move(names));
}

const Register<NetworkFormat> kAsNames({"AS names",
                                        "numbers and names of ASes, in text",
                                        &Matches, &Read});

}  // namespace
}  // namespace fathom
