#ifndef FATHOM_SRC_DATASET_TABLES_H_
#define FATHOM_SRC_DATASET_TABLES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/dataset/parquet/schema.h"

namespace fathom {

// What the tables of a dataset are, in any format: their columns, and a Reply
// or Link as a row of numbers. FORMAT.md is this in words; a change here
// changes it there.

parquet::Schema SchemaOf(Table table);

// How text spells the numbers of a column.
enum class Spelling : uint8_t { kNumber, kAddress, kKind, kFlags };
std::span<const Spelling> SpellingsOf(Table table);

// The names of ReplyKind's values, and of LinkFlags' bits from the lowest.
inline constexpr const char* kKindNames[] = {"hop", "destination", "alias",
                                             "unreachable"};
inline constexpr const char* kFlagNames[] = {"destination", "unreachable",
                                             "loop",        "wide-interval",
                                             "unsteady",    "unverified"};

// One number per column. Table::kLinks lacks the last column of a LinkRow, gap.
using HopRow = std::array<uint64_t, 11>;
using LinkRow = std::array<uint64_t, 9>;

// Rows are in order if these ascend: (target, flow, ttl), which may repeat,
// and (near, far, gap), which may not.
inline std::array<uint64_t, 3> OrderOf(const HopRow& row) {
  return {row[0], row[1], row[2]};
}
inline std::array<uint64_t, 3> OrderOf(const LinkRow& row) {
  return {row[0], row[1], row[8]};
}

// Fails unless all addresses are IPv4, which is all that the tables can hold.
absl::Status CheckFits(std::span<const Reply> replies);
absl::Status CheckFits(std::span<const Link> links);

// REQUIRES: CheckFits(). Rounds and limits times as FORMAT.md says.
HopRow ToRow(const Reply& reply);
LinkRow ToRow(const Link& link);

// Fails on numbers that mean nothing. REQUIRES: each fits its column.
absl::Status FromRow(const HopRow& row, Reply* reply);
absl::Status FromRow(const LinkRow& row, Link* link);

// Round-trip times in the column rtt_100us.
inline constexpr uint64_t kRttUnknown = 65'535;
inline constexpr uint64_t kRttMax = 65'534;  // This, or more.

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_TABLES_H_
