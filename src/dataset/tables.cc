#include "src/dataset/tables.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/str_cat.h"

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
    {"reply_ttl", ColumnType::kUint8, Layout::kDictionaryBytes},
    {"quoted_ttl", ColumnType::kUint8, Layout::kDictionary},
    {"rtt_100us", ColumnType::kUint16, Layout::kDictionaryBytes},
    {"received", ColumnType::kUint32, Layout::kDictionary},
};
constexpr Spelling kHopSpellings[] = {
    Spelling::kAddress, Spelling::kNumber, Spelling::kNumber,
    Spelling::kAddress, Spelling::kKind,   Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber, Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber,
};
static_assert(std::size(kHopColumns) == std::tuple_size_v<HopRow>);
static_assert(std::size(kHopSpellings) == std::tuple_size_v<HopRow>);

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
};
constexpr Spelling kLinkSpellings[] = {
    Spelling::kAddress, Spelling::kAddress, Spelling::kNumber,
    Spelling::kNumber,  Spelling::kNumber,  Spelling::kNumber,
    Spelling::kAddress, Spelling::kFlags,   Spelling::kNumber,
};
static_assert(std::size(kLinkColumns) == std::tuple_size_v<LinkRow>);
static_assert(std::size(kLinkSpellings) == std::tuple_size_v<LinkRow>);

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

IpAddress ToAddress(uint64_t number) {
  return IpAddress::V4(static_cast<uint32_t>(number));
}

bool IsV4(const IpAddress& address) {
  return address.family() == Family::kIpv4;
}

absl::Status NotIpv4(const char* what, const IpAddress& address) {
  return absl::UnimplementedError(
      absl::StrCat("write a ", what, " with ", address.ToString(),
                   ": datasets hold IPv4 addresses only as yet"));
}

}  // namespace

parquet::Schema SchemaOf(Table table) {
  switch (table) {
    case Table::kHops:
      return {kHopColumns, 3};
    case Table::kGaps:
      return {kLinkColumns, 2};
    case Table::kLinks:
      break;
  }
  return {std::span(kLinkColumns).first(std::size(kLinkColumns) - 1), 2};
}

std::span<const Spelling> SpellingsOf(Table table) {
  return std::span(table == Table::kHops
                       ? std::span<const Spelling>(kHopSpellings)
                       : kLinkSpellings)
      .first(SchemaOf(table).columns.size());
}

absl::Status CheckFits(std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    for (const IpAddress& address : {reply.probe.target, reply.responder}) {
      if (!IsV4(address)) return NotIpv4("reply", address);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFits(std::span<const Link> links) {
  for (const Link& link : links) {
    for (const IpAddress& address : {link.near, link.far, link.target}) {
      if (!IsV4(address)) return NotIpv4("link", address);
    }
  }
  return absl::OkStatus();
}

HopRow ToRow(const Reply& reply) {
  return {
      reply.probe.target.v4(),
      reply.probe.flow.value(),
      reply.probe.ttl.value(),
      reply.responder.v4(),
      static_cast<uint64_t>(reply.kind),
      reply.icmp_type,
      reply.icmp_code,
      reply.arrival_ttl.value(),
      reply.quoted_ttl.value(),
      FromRtt(reply.rtt),
      FromInstant(reply.received),
  };
}

LinkRow ToRow(const Link& link) {
  return {
      link.near.v4(),
      link.far.v4(),
      link.min_ttl.value(),
      link.paths,
      FromInstant(link.first_seen),
      FromInstant(link.last_seen),
      link.target.v4(),
      link.flags,
      link.gap,
  };
}

absl::Status FromRow(const HopRow& row, Reply* reply) {
  if (row[4] >= std::size(kKindNames)) {
    return absl::DataLossError(absl::StrCat("a reply of kind ", row[4]));
  }
  reply->probe.target = ToAddress(row[0]);
  reply->probe.flow = FlowId(static_cast<uint16_t>(row[1]));
  reply->probe.ttl = Ttl(static_cast<uint8_t>(row[2]));
  reply->responder = ToAddress(row[3]);
  reply->kind = static_cast<ReplyKind>(row[4]);
  reply->icmp_type = static_cast<uint8_t>(row[5]);
  reply->icmp_code = static_cast<uint8_t>(row[6]);
  reply->arrival_ttl = Ttl(static_cast<uint8_t>(row[7]));
  reply->quoted_ttl = Ttl(static_cast<uint8_t>(row[8]));
  reply->rtt = ToRtt(row[9]);
  reply->received = ToInstant(row[10]);
  return absl::OkStatus();
}

absl::Status FromRow(const LinkRow& row, Link* link) {
  link->near = ToAddress(row[0]);
  link->far = ToAddress(row[1]);
  link->min_ttl = Ttl(static_cast<uint8_t>(row[2]));
  link->paths = row[3];
  link->first_seen = ToInstant(row[4]);
  link->last_seen = ToInstant(row[5]);
  link->target = ToAddress(row[6]);
  link->flags = static_cast<uint8_t>(row[7]);
  link->gap = static_cast<uint8_t>(row[8]);
  return absl::OkStatus();
}

}  // namespace fathom
