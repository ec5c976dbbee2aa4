#include "src/dataset/tables.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/icmp_extensions.h"

namespace fathom {
namespace {

using parquet::Column;
using parquet::ColumnType;
using parquet::Layout;

// Layouts were measured (bench/parquet_bench.cc), not reasoned.
constexpr Column kHopColumns[] = {
    {"target", ColumnType::kUint32, Layout::kPlain},
    {"flow", ColumnType::kUint16, Layout::kDictionary},
    {"ttl", ColumnType::kUint8, Layout::kDictionaryBytes},
    {"responder", ColumnType::kUint32, Layout::kPlain},
    {"kind", ColumnType::kUint8, Layout::kDictionary},
    {"icmp_type", ColumnType::kUint8, Layout::kDictionary},
    {"icmp_code", ColumnType::kUint8, Layout::kDictionary},
    {"tcp_flags", ColumnType::kUint8, Layout::kDictionary},
    {"reply_ttl", ColumnType::kUint8, Layout::kDictionaryBytes},
    {"quoted_ttl", ColumnType::kUint8, Layout::kDictionary},
    {"quoted_tos", ColumnType::kUint8, Layout::kDictionary},
    {"changes", ColumnType::kUint8, Layout::kDictionary},
    {"rtt_100us", ColumnType::kUint16, Layout::kDictionaryBytes},
    {"received", ColumnType::kUint32, Layout::kDictionary},
    {"extensions", ColumnType::kBinary, Layout::kDictionary},
    {"mpls", ColumnType::kString, Layout::kDictionary},
    {"scan", ColumnType::kUint16, Layout::kDictionary},
};
constexpr size_t kExtensionsColumn = 14;
constexpr Spelling kHopSpellings[] = {
    Spelling::kAddress, Spelling::kNumber, Spelling::kNumber,
    Spelling::kAddress, Spelling::kKind,   Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber, Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber, Spelling::kChanges,
    Spelling::kNumber,  Spelling::kNumber, Spelling::kExtensions,
    Spelling::kText,    Spelling::kNumber,
};
static_assert(std::size(kHopColumns) == kHopColumnCount);
static_assert(std::size(kHopSpellings) == kHopColumnCount);

constexpr Column kLinkColumns[] = {
    {"near", ColumnType::kUint32, Layout::kDelta},
    {"far", ColumnType::kUint32, Layout::kDelta},
    {"min_ttl", ColumnType::kUint8, Layout::kDictionary},
    {"paths", ColumnType::kUint64, Layout::kDictionaryBytes},
    {"first_seen", ColumnType::kUint32, Layout::kDictionary},
    {"last_seen", ColumnType::kUint32, Layout::kDictionary},
    {"target", ColumnType::kUint32, Layout::kDelta},
    {"flags", ColumnType::kUint8, Layout::kDictionary},
    {"gap", ColumnType::kUint8, Layout::kDictionary},
    {"scan", ColumnType::kUint16, Layout::kDictionary},
};
constexpr Spelling kLinkSpellings[] = {
    Spelling::kAddress, Spelling::kAddress, Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber,  Spelling::kNumber,
    Spelling::kAddress, Spelling::kFlags,   Spelling::kNumber,
    Spelling::kNumber,
};
static_assert(std::size(kLinkColumns) == kLinkColumnCount);
static_assert(std::size(kLinkSpellings) == kLinkColumnCount);

// The same columns where addresses are IPv6. Those of a path go together, so a
// dictionary of a row group's addresses is a fraction of it.
template <size_t kCount>
constexpr std::array<Column, kCount> Wide(
    const Column (&columns)[kCount], const Spelling (&spellings)[kCount],
    ColumnType type = ColumnType::kAddress) {
  std::array<Column, kCount> wide{};
  for (size_t i = 0; i < kCount; ++i) {
    wide[i] = columns[i];
    if (spellings[i] != Spelling::kAddress) continue;
    wide[i].type = type;
    wide[i].layout = Layout::kDictionary;
  }
  return wide;
}
constexpr auto kWideHopColumns = Wide(kHopColumns, kHopSpellings);
constexpr auto kWideLinkColumns = Wide(kLinkColumns, kLinkSpellings);
constexpr auto kTextHopColumns =
    Wide(kHopColumns, kHopSpellings, ColumnType::kString);
constexpr auto kTextLinkColumns =
    Wide(kLinkColumns, kLinkSpellings, ColumnType::kString);

constexpr Nanos kRttUnit = std::chrono::microseconds(100);

// To the nearest unit, since the halves of many hops would add up.
uint64_t FromRtt(Nanos rtt) {
  if (rtt < Nanos(0)) return kRttUnknown;
  const auto units = static_cast<uint64_t>(rtt / kRttUnit) +
                     (rtt % kRttUnit >= kRttUnit / 2 ? 1 : 0);
  return std::min(units, kRttMax);
}

Nanos ToRtt(uint64_t units) {
  if (units == kRttUnknown) return kUnknownRtt;
  return kRttUnit * static_cast<int64_t>(units);
}

uint64_t FromInstant(Instant instant) {
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch());
  return static_cast<uint64_t>(std::clamp<int64_t>(
      seconds.count(), 0, std::numeric_limits<uint32_t>::max()));
}

Instant ToInstant(uint64_t seconds) {
  return Instant(std::chrono::seconds(static_cast<int64_t>(seconds)));
}

// Of the halves of an address in a row.
IpAddress ToAddress(uint64_t upper, uint64_t lower) {
  return IpAddress::V6(upper, lower);
}

absl::Status CheckAddress(const char* what, const IpAddress& address,
                          Family family) {
  if (address.family() == family) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "write a ", what, " with ", address.ToString(), " into a dataset of ",
      family == Family::kIpv4 ? "IPv4" : "IPv6", " addresses"));
}

}  // namespace

parquet::Schema SchemaOf(Table table, Family family, bool several_scans,
                         AddressForm addresses) {
  std::span<const Column> hops = kHopColumns;
  std::span<const Column> links = kLinkColumns;
  // Text does not ascend as addresses do.
  const bool ordered = addresses != AddressForm::kText;
  if (!ordered) {
    hops = kTextHopColumns;
    links = kTextLinkColumns;
  } else if (family == Family::kIpv6 || addresses == AddressForm::kBinary) {
    hops = kWideHopColumns;
    links = kWideLinkColumns;
  }
  const size_t hop_order = ordered ? 3 : 0;
  const size_t link_order = ordered ? 2 : 0;
  switch (table) {
    case Table::kHops:
      return {hops.first(hops.size() - (several_scans ? 0 : 1)), hop_order};
    case Table::kLinkScans:
    case Table::kGapScans:
      return {links, link_order};
    case Table::kGaps:
      return {links.first(links.size() - 1), link_order};
    case Table::kLinks:
      break;
  }
  return {links.first(links.size() - 2), link_order};
}

std::span<const Spelling> SpellingsOf(Table table, bool several_scans) {
  return std::span(table == Table::kHops
                       ? std::span<const Spelling>(kHopSpellings)
                       : kLinkSpellings)
      .first(SchemaOf(table, Family::kIpv4, several_scans).columns.size());
}

absl::Status CheckFits(std::span<const Reply> replies, Family family) {
  for (const Reply& reply : replies) {
    for (const IpAddress& address : {reply.probe.target, reply.responder}) {
      FATHOM_RETURN_IF_ERROR(CheckAddress("reply", address, family));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFits(std::span<const Link> links, Family family) {
  for (const Link& link : links) {
    for (const IpAddress& address : {link.near, link.far, link.target}) {
      FATHOM_RETURN_IF_ERROR(CheckAddress("link", address, family));
    }
  }
  return absl::OkStatus();
}

HopRow ToRow(const Reply& reply) {
  return {
      reply.probe.target.low(),
      reply.probe.flow.value(),
      reply.probe.ttl.value(),
      reply.responder.low(),
      static_cast<uint64_t>(reply.kind),
      reply.icmp_type,
      reply.icmp_code,
      reply.tcp_flags,
      reply.arrival_ttl.value(),
      reply.quoted_ttl.value(),
      reply.quoted_tos,
      reply.changes,
      FromRtt(reply.rtt),
      FromInstant(reply.received),
      0,
      0,
      0,
      reply.probe.target.high(),
      reply.responder.high(),
  };
}

LinkRow ToRow(const Link& link) {
  return {
      link.near.low(),
      link.far.low(),
      link.min_ttl.value(),
      link.paths,
      FromInstant(link.first_seen),
      FromInstant(link.last_seen),
      link.target.low(),
      link.flags,
      link.gap,
      link.scan,
      link.near.high(),
      link.far.high(),
      link.target.high(),
  };
}

absl::Status FromRow(const HopRow& row, Reply* reply) {
  if (row[4] >= std::size(kKindNames)) {
    return absl::DataLossError(absl::StrCat("a reply of kind ", row[4]));
  }
  reply->probe.target = ToAddress(row[17], row[0]);
  reply->probe.flow = FlowId(static_cast<uint16_t>(row[1]));
  reply->probe.ttl = Ttl(static_cast<uint8_t>(row[2]));
  reply->responder = ToAddress(row[18], row[3]);
  reply->kind = static_cast<ReplyKind>(row[4]);
  reply->icmp_type = static_cast<uint8_t>(row[5]);
  reply->icmp_code = static_cast<uint8_t>(row[6]);
  reply->tcp_flags = static_cast<uint8_t>(row[7]);
  reply->arrival_ttl = Ttl(static_cast<uint8_t>(row[8]));
  reply->quoted_ttl = Ttl(static_cast<uint8_t>(row[9]));
  reply->quoted_tos = static_cast<uint8_t>(row[10]);
  reply->changes = static_cast<uint8_t>(row[11]);
  reply->rtt = ToRtt(row[12]);
  reply->received = ToInstant(row[13]);
  return absl::OkStatus();
}

absl::Status FromRow(const LinkRow& row, Link* link) {
  link->near = ToAddress(row[10], row[0]);
  link->far = ToAddress(row[11], row[1]);
  link->min_ttl = Ttl(static_cast<uint8_t>(row[2]));
  link->paths = row[3];
  link->first_seen = ToInstant(row[4]);
  link->last_seen = ToInstant(row[5]);
  link->target = ToAddress(row[12], row[6]);
  link->flags = static_cast<uint8_t>(row[7]);
  link->gap = static_cast<uint8_t>(row[8]);
  link->scan = static_cast<uint16_t>(row[9]);
  return absl::OkStatus();
}

std::string StringOf(const Reply& reply, size_t column) {
  const auto bytes = reply.extensions.bytes;
  if (bytes.empty()) return {};
  if (column != kExtensionsColumn) return SpellMpls(bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status SetString(size_t column, const std::string& string, Reply* reply) {
  if (column == kExtensionsColumn) {
    if (string.size() > kMaxExtensions) {
      return absl::DataLossError(
          absl::StrCat("extensions of ", string.size(), " bytes"));
    }
    reply->extensions.bytes = std::as_bytes(std::span(string));
  } else if (StringOf(*reply, column) != string) {
    return absl::DataLossError(absl::StrCat(
        "labels \"", string, "\" that are not those of the extensions"));
  }
  return absl::OkStatus();
}

}  // namespace fathom
