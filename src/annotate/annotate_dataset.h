#ifndef FATHOM_SRC_ANNOTATE_ANNOTATE_DATASET_H_
#define FATHOM_SRC_ANNOTATE_ANNOTATE_DATASET_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/annotate/annotator.h"
#include "src/annotate/as_links.h"
#include "src/annotate/resolver.h"

namespace fathom {

// Adds interfaces.parquet and as_links.parquet to a dataset: what is known of
// each interface, and which ASes are linked. The tables of the scan stay as
// they are. Run again it replaces both; the same dataset and files give the
// same bytes, where no name server is asked.
//
// Reads the hops once and the links three times; what it holds is said in
// interfaces.h and as_links.h.

struct AnnotationProgress {
  uint64_t written = 0;  // Interfaces.
  uint64_t interfaces = 0;
};

struct AnnotateOptions {
  std::string dataset{};
  Resolver* resolver = nullptr;    // Null: no names.
  std::string resolver_servers{};  // As the tables shall name them.
  // Called now and then; a status that is not OK ends the work.
  std::function<absl::Status(const AnnotationProgress&)> on_progress{};
};

struct AnnotationSummary {
  uint64_t interfaces = 0;
  uint64_t with_asn = 0;
  uint64_t with_country = 0;
  uint64_t with_place = 0;
  uint64_t with_name = 0;
  uint64_t on_ixps = 0;
  uint64_t as_links = 0;
  uint64_t as_links_through_ixps = 0;  // Of these, some link of theirs.
  AsLinkCounts links{};
};

absl::StatusOr<AnnotationSummary> AnnotateDataset(
    const Annotator& annotator, const AnnotateOptions& options);

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_ANNOTATE_DATASET_H_
