#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/tables.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// Comma-separated values: links or hops, by the names in the header.
//
//   near,far and perhaps target, min_ttl or ttl, flags, gap
//   target,ttl,responder and perhaps flow, kind
//
// which is what `fathom convert` writes; other columns are passed over. Without
// a header a line is "near,far" or "near,far,target".

namespace fathom::found {
namespace {

using Row = std::vector<std::string_view>;

// Where each column stands; nullopt if it does not.
struct Columns {
  std::optional<size_t> near, far, target, ttl, flags, gap, responder, flow,
      kind;
  size_t count = 0;
};

Columns ReadHeader(const Row& names) {
  Columns columns;
  columns.count = names.size();
  const auto find = [&](std::string_view name) -> std::optional<size_t> {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) return std::nullopt;
    return static_cast<size_t>(at - names.begin());
  };
  columns.near = find("near");
  columns.far = find("far");
  columns.target = find("target");
  columns.ttl = find("min_ttl") ? find("min_ttl") : find("ttl");
  columns.flags = find("flags");
  columns.gap = find("gap");
  columns.responder = find("responder");
  columns.flow = find("flow");
  columns.kind = find("kind");
  return columns;
}

bool HoldsLinks(const Columns& c) { return c.near && c.far; }
bool HoldsHops(const Columns& c) { return c.target && c.ttl && c.responder; }

bool IsAddress(std::string_view text) {
  return IpAddress::Parse(text).has_value();
}

class CsvReader {
 public:
  CsvReader(FoundFile& file, Findings& findings)
      : file_(file), findings_(findings) {}

  absl::Status Read() {
    std::string_view line;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, file_.NextText(&line));
      if (!any) return absl::OkStatus();
      FATHOM_RETURN_IF_ERROR(ReadRow(Fields(line)));
    }
  }

 private:
  absl::Status ReadRow(const Row& row) {
    if (columns_.count == 0) {
      const bool header = !IsAddress(row[0]);
      columns_ =
          header ? ReadHeader(row) : ReadHeader({"near", "far", "target"});
      if (!header && row.size() < 2) {
        return file_.BadLine("one field where near and far were expected");
      }
      if (!header) columns_.count = row.size();
      if (!header && row.size() == 2) columns_.target.reset();
      if (header) return CheckHeader();
    }
    if (row.size() != columns_.count) {
      return file_.BadLine(absl::StrCat(row.size(), " fields where ",
                                        columns_.count, " were expected"));
    }
    return HoldsLinks(columns_) ? ReadLink(row) : ReadHop(row);
  }

  absl::Status CheckHeader() {
    if (HoldsLinks(columns_) || HoldsHops(columns_)) return absl::OkStatus();
    return file_.BadLine(
        "a header without near and far, and without target, ttl and "
        "responder; name the columns so, or name another --format");
  }

  absl::Status ReadLink(const Row& row) {
    FATHOM_ASSIGN_OR_RETURN(const IpAddress near, Address(row, columns_.near));
    FATHOM_ASSIGN_OR_RETURN(const IpAddress far, Address(row, columns_.far));
    FoundLink more;
    if (columns_.target && !row[*columns_.target].empty()) {
      FATHOM_ASSIGN_OR_RETURN(const IpAddress target,
                              Address(row, columns_.target));
      if (target.family() == Family::kIpv4) more.target = target.v4();
    }
    FATHOM_ASSIGN_OR_RETURN(const uint64_t ttl, Number(row, columns_.ttl, 255));
    FATHOM_ASSIGN_OR_RETURN(const uint64_t gap, Number(row, columns_.gap, 255));
    FATHOM_ASSIGN_OR_RETURN(more.flags, Flags(row));
    more.ttl = static_cast<uint8_t>(ttl);
    if (gap == 0) findings_.AddLink(near, far, more);
    return absl::OkStatus();
  }

  absl::Status ReadHop(const Row& row) {
    FATHOM_ASSIGN_OR_RETURN(const IpAddress target,
                            Address(row, columns_.target));
    FATHOM_ASSIGN_OR_RETURN(const IpAddress responder,
                            Address(row, columns_.responder));
    FATHOM_ASSIGN_OR_RETURN(const uint64_t ttl, Number(row, columns_.ttl, 255));
    FATHOM_ASSIGN_OR_RETURN(const uint64_t flow,
                            Number(row, columns_.flow, 0xffffffff));
    ReplyKind kind =
        responder == target ? ReplyKind::kDestination : ReplyKind::kHop;
    if (columns_.kind) {
      const auto* const name = std::find(
          std::begin(kKindNames), std::end(kKindNames), row[*columns_.kind]);
      if (name == std::end(kKindNames)) {
        return Bad("a kind of reply: hop, destination, alias or unreachable",
                   row[*columns_.kind]);
      }
      kind = static_cast<ReplyKind>(name - std::begin(kKindNames));
    }
    findings_.AddHop(target, static_cast<uint32_t>(flow),
                     static_cast<unsigned>(ttl), responder, kind);
    return absl::OkStatus();
  }

  absl::StatusOr<IpAddress> Address(const Row& row,
                                    std::optional<size_t> column) {
    const auto address = IpAddress::Parse(row[*column]);
    if (!address) return Bad("an address", row[*column]);
    return *address;
  }

  // 0 where there is no such column.
  absl::StatusOr<uint64_t> Number(const Row& row, std::optional<size_t> column,
                                  uint64_t max) {
    if (!column) return 0;
    const auto number = ParseNumber(row[*column], max);
    if (!number) {
      return Bad(absl::StrCat("a number up to ", max), row[*column]);
    }
    return *number;
  }

  absl::StatusOr<uint8_t> Flags(const Row& row) {
    unsigned flags = 0;
    std::string_view rest = columns_.flags ? row[*columns_.flags] : "";
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('+'), rest.size());
      const auto* const name = std::find(
          std::begin(kFlagNames), std::end(kFlagNames), rest.substr(0, end));
      if (name == std::end(kFlagNames)) return Bad("flags", rest);
      flags |= 1U << (name - std::begin(kFlagNames));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return static_cast<uint8_t>(flags);
  }

  absl::Status Bad(std::string_view wanted, std::string_view got) {
    return file_.BadLine(
        absl::StrCat(Quote(got), " is not ", std::string(wanted)));
  }

  FoundFile& file_;
  Findings& findings_;
  Columns columns_;
};

absl::Status Read(FoundFile& file, Findings& findings) {
  return CsvReader(file, findings).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  const Row row = Fields(FirstLine(head));
  if (IsAddress(row[0])) {
    return row.size() >= 2 && row.size() <= 3 && IsAddress(row[1]);
  }
  const Columns columns = ReadHeader(row);
  return HoldsLinks(columns) || HoldsHops(columns);
}

const Register<FoundFormat> kCsv(
    {"csv", "near,far[,target], or what fathom convert writes", &Knows, &Read});

}  // namespace
}  // namespace fathom::found
