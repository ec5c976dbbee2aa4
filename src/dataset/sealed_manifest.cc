#include "src/dataset/sealed_manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/dataset/output_file.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

// Far more than any manifest has, and little enough to be held.
constexpr int64_t kMaxManifest = 64 << 20;

constexpr std::string_view kSpace = " \t\r\n";
// What stands before the seals. No string in JSON has a line break, and they
// are the last key, so the last place where this is found is theirs.
constexpr std::string_view kBefore = "\n  \"files\": ";

constexpr std::string_view kBetween = ",\n  \"files_xxh3\": ";

std::string HexOf(uint64_t hash) { return absl::StrFormat("%016x", hash); }

absl::StatusOr<uint64_t> HashOf(const Json& json) {
  const auto* const text = json.get_ptr<const std::string*>();
  uint64_t hash = 0;
  if (text != nullptr && text->size() == 16) {
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + 16, hash, 16);
    // In the one spelling of it, so that no flipped bit goes unseen.
    if (error == std::errc() && end == text->data() + 16 &&
        HexOf(hash) == *text) {
      return hash;
    }
  }
  return absl::DataLossError("a hash that is not 16 hexadecimal digits");
}

absl::StatusOr<uint64_t> NumberOf(const Json& json) {
  if (!json.is_number_unsigned()) {
    return absl::DataLossError("a size that is no number");
  }
  return json.get<uint64_t>();
}

Json ToJson(const FileSeal& seal) {
  Json row_groups = Json::array();
  for (const RowGroupSeal& group : seal.row_groups) {
    row_groups.push_back({group.bytes, HexOf(group.xxh3)});
  }
  return {{"bytes", seal.bytes},
          {"rows", seal.rows},
          {"xxh3", HexOf(seal.xxh3)},
          {"row_groups", std::move(row_groups)}};
}

absl::StatusOr<FileSeal> FromJson(const Json& json) {
  if (!json.is_object() || !json.contains("bytes") || !json.contains("rows") ||
      !json.contains("xxh3") || !json.contains("row_groups") ||
      !json["row_groups"].is_array()) {
    return absl::DataLossError("a file without bytes, rows or hashes");
  }
  FileSeal seal;
  FATHOM_ASSIGN_OR_RETURN(seal.bytes, NumberOf(json["bytes"]));
  FATHOM_ASSIGN_OR_RETURN(seal.rows, NumberOf(json["rows"]));
  FATHOM_ASSIGN_OR_RETURN(seal.xxh3, HashOf(json["xxh3"]));
  for (const Json& group : json["row_groups"]) {
    if (!group.is_array() || group.size() != 2) {
      return absl::DataLossError("a row group that is no pair");
    }
    RowGroupSeal& added = seal.row_groups.emplace_back();
    FATHOM_ASSIGN_OR_RETURN(added.bytes, NumberOf(group[0]));
    FATHOM_ASSIGN_OR_RETURN(added.xxh3, HashOf(group[1]));
  }
  return seal;
}

// A manifest cut where the seals belong.
struct Cut {
  std::string_view head;  // Up to the last value of the object, or its "{".
  std::string_view tail;  // From the space before its "}".
};

absl::StatusOr<Cut> CutManifest(std::string_view text) {
  const size_t brace = text.find_last_not_of(kSpace);
  if (brace == std::string_view::npos || brace == 0 || text[brace] != '}') {
    return absl::InvalidArgumentError("the manifest is no JSON object");
  }
  const size_t last = text.find_last_not_of(kSpace, brace - 1);
  if (last == std::string_view::npos) {
    return absl::InvalidArgumentError("the manifest is no JSON object");
  }
  return Cut{text.substr(0, last + 1), text.substr(last + 1)};
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", path, errno);
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return FileError("read", path, errno);
  if (status.st_size > kMaxManifest) return FileError("read", path, EFBIG);
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = read(fd.get(), &text[done], text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("read", path, errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  text.resize(done);
  return text;
}

std::string PathIn(const std::string& directory) {
  return absl::StrCat(directory, "/", kManifestName);
}

}  // namespace

absl::StatusOr<std::string> JoinManifest(const SealedManifest& sealed) {
  if (sealed.files.empty()) return sealed.manifest;
  const Json parsed = Json::parse(sealed.manifest, nullptr, false);
  if (!parsed.is_object() || parsed.contains(kFilesKey)) {
    return absl::InvalidArgumentError(
        "the manifest is no JSON object, or has files already");
  }
  FATHOM_ASSIGN_OR_RETURN(const Cut cut, CutManifest(sealed.manifest));
  Json files = Json::object();
  for (const auto& [name, seal] : sealed.files) files[name] = ToJson(seal);
  std::string text(cut.head);
  if (!parsed.empty()) text += ',';
  text += kBefore;
  const std::string seals = files.dump();
  text += seals;
  text += kBetween;
  text += Json(HexOf(XXH3_64bits(seals.data(), seals.size()))).dump();
  text += cut.tail;
  return text;
}

absl::StatusOr<SealedManifest> SplitManifest(const std::string& text) {
  SealedManifest sealed;
  const size_t at = text.rfind(kBefore);
  if (at == std::string::npos) {
    sealed.manifest = text;
    return sealed;
  }
  const std::string_view rest =
      std::string_view(text).substr(at + kBefore.size());
  FATHOM_ASSIGN_OR_RETURN(const Cut cut, CutManifest(rest));
  const std::string_view seals = cut.head.substr(0, cut.head.rfind(kBetween));
  const Json files = Json::parse(seals, nullptr, false);
  if (!files.is_object()) {
    return absl::DataLossError("its files are no JSON object");
  }
  for (const auto& [name, json] : files.items()) {
    FATHOM_ASSIGN_OR_RETURN(sealed.files[name], FromJson(json));
  }
  const std::string hash = HexOf(XXH3_64bits(seals.data(), seals.size()));
  sealed.intact = cut.head.substr(std::min(cut.head.size(),
                                           seals.size() + kBetween.size())) ==
                  "\"" + hash + "\"";
  std::string_view head = std::string_view(text).substr(0, at);
  if (head.ends_with(',')) head.remove_suffix(1);
  sealed.manifest = std::string(head) + std::string(cut.tail);
  return sealed;
}

absl::StatusOr<SealedManifest> ReadSealedManifest(
    const std::string& directory) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadText(PathIn(directory)));
  auto sealed = SplitManifest(text);
  if (sealed.ok()) return sealed;
  return absl::DataLossError(absl::StrCat("read ", PathIn(directory), ": ",
                                          sealed.status().message()));
}

absl::Status WriteSealedManifest(const std::string& directory,
                                 const SealedManifest& sealed) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, JoinManifest(sealed));
  const std::string path = PathIn(directory);
  const std::string temporary = TemporaryName(path, 0);
  unlink(temporary.c_str());  // Of a killed process with our number.
  FATHOM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(temporary));
  absl::Status status = file.Write(text);
  if (status.ok()) status = file.Close();
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError("write", path, errno);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(directory);
}

}  // namespace fathom
