#ifndef FATHOM_SRC_DATASET_SEALED_MANIFEST_H_
#define FATHOM_SRC_DATASET_SEALED_MANIFEST_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/dataset/seal.h"

namespace fathom {

// manifest.json: the manifest as it also stands in the footers, and with it,
// under the key "files", the seals of the files beside it. The footers cannot
// have those, being part of what is sealed. The last key, "files_xxh3", is the
// hash of the seals' text.
struct SealedManifest {
  std::string manifest{};
  std::map<std::string, FileSeal> files{};  // By name. Empty: not sealed.
  // Whether the seals are as they were written, by the hash that follows them.
  bool intact = true;

  friend bool operator==(const SealedManifest&,
                         const SealedManifest&) = default;
};

inline constexpr char kManifestName[] = "manifest.json";
inline constexpr char kFilesKey[] = "files";

// The text of manifest.json, and back, to the byte. Joining fails unless the
// manifest is a JSON object without that key; splitting on any seals that no
// writer writes.
absl::StatusOr<std::string> JoinManifest(const SealedManifest& sealed);
absl::StatusOr<SealedManifest> SplitManifest(const std::string& text);

// That of the dataset `directory`. Errors name the file.
absl::StatusOr<SealedManifest> ReadSealedManifest(const std::string& directory);

// Makes it durable, in place of the one that is there, if there is.
absl::Status WriteSealedManifest(const std::string& directory,
                                 const SealedManifest& sealed);

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_SEALED_MANIFEST_H_
