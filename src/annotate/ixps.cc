#include "src/annotate/ixps.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

// PeeringDB's whole dump is a quarter of this.
constexpr size_t kMaxJson = size_t{256} << 20;

Json Parse(std::string_view text) {
  return Json::parse(text.begin(), text.end(), nullptr,
                     /*allow_exceptions=*/false);
}

// The member `key` of an object; null if there is none.
const Json& Member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto at = object.find(key);
  return at == object.end() ? none : *at;
}

std::string Text(const Json& object, const char* key) {
  const auto* const text = Member(object, key).get_ptr<const std::string*>();
  return text == nullptr ? std::string() : *text;
}

uint64_t Number(const Json& object, const char* key) {
  const Json& member = Member(object, key);
  return member.is_number_unsigned() ? member.get<uint64_t>() : 0;
}

struct Lan {
  std::string prefix;
  std::string name;
};

// PeeringDB: prefixes belong to LANs, LANs to exchanges, exchanges have names.
std::vector<Lan> ReadPeeringDb(const Json& dump) {
  absl::flat_hash_map<uint64_t, std::string> names;     // Of exchanges.
  absl::flat_hash_map<uint64_t, uint64_t> exchange_of;  // Of LANs.
  for (const Json& ix : Member(Member(dump, "ix"), "data")) {
    names[Number(ix, "id")] = Text(ix, "name");
  }
  for (const Json& lan : Member(Member(dump, "ixlan"), "data")) {
    exchange_of[Number(lan, "id")] = Number(lan, "ix_id");
  }
  const Json& prefixes = Member(dump, "ixpfx");
  std::vector<Lan> lans;
  for (const Json& prefix :
       Member(prefixes.is_null() ? dump : prefixes, "data")) {
    const uint64_t lan = Number(prefix, "ixlan_id");
    const auto exchange = exchange_of.find(lan);
    const auto name = exchange == exchange_of.end()
                          ? names.end()
                          : names.find(exchange->second);
    lans.push_back(
        {Text(prefix, "prefix"), name == names.end() || name->second.empty()
                                     ? absl::StrCat("PeeringDB ixlan ", lan)
                                     : name->second});
  }
  return lans;
}

// {"name": ..., "prefixes": {"ipv4": [...], "ipv6": [...]}}
void ReadNamed(const Json& object, std::vector<Lan>& lans) {
  const std::string name = Text(object, "name");
  for (const char* const family : {"ipv4", "ipv6"}) {
    for (const Json& prefix : Member(Member(object, "prefixes"), family)) {
      const auto* const text = prefix.get_ptr<const std::string*>();
      if (text != nullptr) lans.push_back({*text, name});
    }
  }
}

}  // namespace

absl::Status Ixps::Read(InputFile& file) {
  networks_ = 0;
  FATHOM_ASSIGN_OR_RETURN(std::string_view head,
                          file.Peek(NetworkFormat::kHead));
  while (Strip(head).starts_with('#') && head.find('\n') != head.npos) {
    head.remove_prefix(head.find('\n') + 1);
  }
  const size_t first = head.find_first_not_of(" \t\r\n");
  const bool json =
      first != head.npos && (head[first] == '{' || head[first] == '[');
  return json ? ReadJson(file) : ReadLines(file);
}

absl::Status Ixps::Add(std::string_view prefix, std::string_view name) {
  const auto parsed = Prefix::Parse(prefix);
  if (!parsed || prefix.find('/') == prefix.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("no prefix, or one with host bits set: ", Quote(prefix)));
  }
  if (entries_.size() == kMaxNetworks) {
    return absl::InvalidArgumentError("too many prefixes");
  }
  const auto [known, is_new] = indices_.try_emplace(
      Printable(name), static_cast<uint32_t>(names_.size()));
  if (is_new) names_.push_back(known->first);
  entries_.push_back({*parsed, known->second});
  ++networks_;
  return absl::OkStatus();
}

absl::Status Ixps::ReadLines(InputFile& file) {
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool more, file.NextText(&line));
    if (!more) return absl::OkStatus();
    const std::string_view prefix = Strip(TakeWord(line, ", \t"));
    // A header of CSV.
    if (prefix == "prefix" && networks_ == 0) continue;
    std::string_view name = Strip(line);
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
    }
    if (name.empty()) {
      return file.BadLine(
          absl::StrCat("no name after the prefix ", Quote(prefix)));
    }
    const absl::Status added = Add(prefix, name);
    if (!added.ok()) return file.BadLine(std::string(added.message()));
  }
}

absl::Status Ixps::ReadJson(InputFile& file) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, file.Rest(kMaxJson));
  std::string_view rest = text;
  while (Strip(rest).starts_with('#')) {
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  }
  std::vector<Lan> lans;
  if (const Json whole = Parse(rest); !whole.is_discarded()) {
    lans = ReadPeeringDb(whole);
    ReadNamed(whole, lans);
  } else {
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = Strip(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.empty() || line.starts_with('#')) continue;
      const Json object = Parse(line);
      if (object.is_discarded()) {
        return absl::InvalidArgumentError(
            absl::StrCat("read ", file.path(), ": no JSON: ", Quote(line)));
      }
      ReadNamed(object, lans);
    }
  }
  for (const Lan& lan : lans) {
    const absl::Status added =
        Add(lan.prefix, lan.name.empty() ? "?" : lan.name);
    if (!added.ok()) return file.BadBytes(std::string(added.message()));
  }
  if (networks_ == 0) return file.BadBytes("no prefixes of exchanges in it");
  return absl::OkStatus();
}

}  // namespace fathom
