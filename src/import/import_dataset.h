#ifndef FATHOM_SRC_IMPORT_IMPORT_DATASET_H_
#define FATHOM_SRC_IMPORT_IMPORT_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/found/found.h"

namespace fathom {

// Makes a dataset of what other tools found, so that all that is done with
// datasets can be done with it.
//
// Replies stream from the readers of src/found through a spool into the
// dataset, and links are read off them by the rules of every scan: memory is
// that of a scan's end, whatever the size of the files. One dataset holds one
// family of addresses; replies of the other are counted and left out.

struct ImportOptions {
  std::vector<std::string> files{};  // "-" is standard input.
  std::string format = "auto";       // By its name, or by how a file begins.
  std::string dataset{};
  std::string vantage{};  // Who probed, for the manifest; empty is unknown.
};

struct ImportedFile {
  std::string path{};
  std::string format{};
  uint64_t bytes = 0;  // As on the disk.
  uint64_t xxh3 = 0;
  uint64_t replies = 0;
  std::string cut_short{};  // Where the file ends too early, if it does.
};

struct ImportRecord {
  std::vector<ImportedFile> files{};
  uint64_t other_family = 0;  // Replies left out.
  uint64_t no_distance = 0;   // Likewise: their TTL is not known.
  uint64_t passed_over = 0;   // Records that are no traceroutes.
  uint64_t flows = 0;
  std::string manifest{};

  bool is_whole() const;
};

// The formats that can be imported.
std::vector<found::FoundFormat> ImportFormats();

// Nothing is left at options.dataset unless all went well. Errors name the
// file, the line or offset, and what is wrong there.
absl::StatusOr<ImportRecord> ImportDataset(const ImportOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_IMPORT_IMPORT_DATASET_H_
