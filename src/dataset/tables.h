#ifndef FATHOM_SRC_DATASET_TABLES_H_
#define FATHOM_SRC_DATASET_TABLES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/dataset/parquet/schema.h"

namespace fathom {

// What the tables of a dataset are, in any format: their columns, and a Reply
// or Link as a row of numbers. FORMAT.md is this in words; a change here
// changes it there.

// Addresses are numbers of 32 bits in a dataset of IPv4, and 16 bytes in one of
// IPv6, or what else `addresses` says. Hops have the column scan in datasets of
// several scans.
parquet::Schema SchemaOf(Table table, Family family, bool several_scans = false,
                         AddressForm addresses = AddressForm::kNative);

// How text spells what a column holds.
enum class Spelling : uint8_t {
  kNumber,
  kAddress,
  kKind,
  kFlags,
  kChanges,
  kText,
  kExtensions,
};
std::span<const Spelling> SpellingsOf(Table table, bool several_scans = false);

// The names of ReplyKind's values, and of LinkFlags' bits from the lowest.
inline constexpr const char* kKindNames[] = {"hop", "destination", "alias",
                                             "unreachable"};
inline constexpr const char* kFlagNames[] = {
    "destination", "unreachable", "loop",   "wide-interval",
    "unsteady",    "unverified",  "tunnel", "across-tunnel"};
// Of QuoteChanges' bits.
inline constexpr const char* kChangeNames[] = {"id", "length"};

// A number per column, then the upper halves of the addresses, in the order of
// their columns; strings have a number that means nothing. Addresses are as
// IpAddress has them, IPv4 v4-mapped, so that their order is that of both.
// Tables lack the last of these columns: of links gap and scan, of gaps scan,
// of hops scan unless there are several.
using HopRow = std::array<uint64_t, 19>;
using LinkRow = std::array<uint64_t, 13>;

inline constexpr size_t kHopColumnCount = 17;
inline constexpr size_t kLinkColumnCount = 10;
inline constexpr size_t kHopScanColumn = 16;

// Where in a row the upper half of the address in `column` stands.
constexpr size_t UpperCell(const HopRow& /*row*/, size_t column) {
  return column == 0 ? 17 : 18;
}
constexpr size_t UpperCell(const LinkRow& /*row*/, size_t column) {
  return column == 6 ? 12 : 10 + column;
}

// Rows are in order if these ascend: (target, flow, ttl), which may repeat,
// and (near, far, gap, scan), which may not.
inline std::array<uint64_t, 4> OrderOf(const HopRow& row) {
  return {row[17], row[0], row[1], row[2]};
}
inline std::array<uint64_t, 6> OrderOf(const LinkRow& row) {
  return {row[10], row[0], row[11], row[1], row[8], row[9]};
}

// The family of a record's first address, which is that of its dataset.
inline Family FamilyOf(const Reply& reply) {
  return reply.probe.target.family();
}
inline Family FamilyOf(const Link& link) { return link.near.family(); }

// Fails unless all addresses are of `family`: a dataset holds one.
absl::Status CheckFits(std::span<const Reply> replies, Family family);
absl::Status CheckFits(std::span<const Link> links, Family family);

// REQUIRES: CheckFits(). Rounds and limits times as FORMAT.md says. The scan of
// a reply is 0.
HopRow ToRow(const Reply& reply);
LinkRow ToRow(const Link& link);

// Fails on numbers that mean nothing. REQUIRES: each fits its column.
absl::Status FromRow(const HopRow& row, Reply* reply);
absl::Status FromRow(const LinkRow& row, Link* link);

// Whether any string of a record is not empty: few are.
inline bool HasStrings(const Reply& reply) {
  return !reply.extensions.bytes.empty();
}
inline bool HasStrings(const Link&) { return false; }

// What a column of strings holds of a record, and back. A reply borrows the
// string. Fails on strings that mean nothing.
std::string StringOf(const Reply& reply, size_t column);
absl::Status SetString(size_t column, const std::string& string, Reply* reply);
inline std::string StringOf(const Link&, size_t) { return {}; }
inline absl::Status SetString(size_t, const std::string&, Link*) {
  return absl::OkStatus();
}

// Round-trip times in the column rtt_100us.
inline constexpr uint64_t kRttUnknown = 65'535;
inline constexpr uint64_t kRttMax = 65'534;  // This, or more.

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_TABLES_H_
