#include <algorithm>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

// The routes that a router of BGP has, as it dumps them in MRT (RFC 6396):
// TABLE_DUMP_V2, also with additional paths (RFC 8050), and the old TABLE_DUMP.
//
// A prefix belongs to the AS at the end of the path to it. Where the peers'
// paths end in different ASes, that of most peers counts, and of equals the
// least. A path that is empty ends in the AS of the peer; one that ends in a
// set, in the first of the set. Default routes say nothing, and are skipped, as
// are routes of multicast and records of other types.

namespace fathom {
namespace {

// The bytes of a record that are still to be read. Reading past the end gives
// zeros, and shows in ok().
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }

  std::string_view Take(size_t count) {
    if (count > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  uint32_t Number(size_t size) {
    uint32_t value = 0;
    for (const char c : Take(size))
      value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }

  IpAddress Address(bool v6) {
    if (!v6) return IpAddress::V4(Number(4));
    const uint64_t high = uint64_t{Number(4)} << 32 | Number(4);
    const uint64_t low = uint64_t{Number(4)} << 32 | Number(4);
    return IpAddress::V6(high, low);
  }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

// How many ASes a path passes, and where it ends. A set counts as one, and
// segments of a confederation as none (RFC 5065).
struct Path {
  size_t length = 0;
  uint32_t origin = 0;  // 0: there is none.
};

Path ReadPath(Cursor bytes, size_t asn_size) {
  constexpr uint32_t kSet = 1;
  constexpr uint32_t kSequence = 2;
  Path path;
  while (bytes.left() > 0) {
    const uint32_t type = bytes.Number(1);
    const uint32_t count = bytes.Number(1);
    Cursor ases(bytes.Take(count * asn_size));
    if (!bytes.ok()) return {};
    if ((type != kSet && type != kSequence) || count == 0) continue;
    const uint32_t first = ases.Number(asn_size);
    if (type == kSet) {
      path = {path.length + 1, first};
      continue;
    }
    if (count > 1) ases.Take((count - 2) * asn_size);
    path = {path.length + count, count > 1 ? ases.Number(asn_size) : first};
  }
  return path;
}

// The AS in which a route with these attributes ends; `peer` if its path is
// empty or missing.
uint32_t OriginOf(Cursor attributes, size_t asn_size, uint32_t peer) {
  constexpr uint32_t kExtendedLength = 0x10;
  constexpr uint32_t kAsPath = 2;
  constexpr uint32_t kAs4Path = 17;
  Path path, path4;
  while (attributes.left() > 0) {
    const uint32_t flags = attributes.Number(1);
    const uint32_t type = attributes.Number(1);
    const size_t size =
        attributes.Number((flags & kExtendedLength) != 0 ? 2 : 1);
    const Cursor value(attributes.Take(size));
    if (!attributes.ok()) break;
    if (type == kAsPath) path = ReadPath(value, asn_size);
    if (type == kAs4Path) path4 = ReadPath(value, 4);
  }
  // RFC 6793, 4.2.3: the new path is of use unless it is the longer one.
  if (path4.origin != 0 && path4.length <= path.length) return path4.origin;
  return path.origin != 0 ? path.origin : peer;
}

class MrtReader {
 public:
  explicit MrtReader(InputFile& file) : file_(file) {}

  absl::StatusOr<std::unique_ptr<NetworkSource>> Read();

 private:
  struct Dump;

  // Each fails by false where the record ends too early.
  bool ReadRecord(uint32_t type, uint32_t subtype, Cursor record);
  bool ReadPeers(Cursor record);
  bool ReadRib(Cursor record, bool v6, bool paths);
  bool ReadOldRib(Cursor record, bool v6);

  void Announce(const Prefix& prefix);
  std::optional<Prefix> Valid(const IpAddress& address, uint32_t length);

  InputFile& file_;
  std::vector<uint32_t> peers_;    // Their ASes, at most 65,535.
  std::vector<uint32_t> origins_;  // Of routes to prefix_.
  std::optional<Prefix> prefix_;   // In the old form: of a record per peer.
  std::vector<PrefixTable::Entry> entries_;
  uint64_t skipped_ = 0;
};

// Skipped: what is too long, what is not the address's own, default routes.
std::optional<Prefix> MrtReader::Valid(const IpAddress& address,
                                       uint32_t length) {
  const auto prefix = MakePrefix(address, length);
  if (!prefix || length == 0) {
    ++skipped_;
    return std::nullopt;
  }
  return prefix;
}

// Notes which AS most of origins_ are, and forgets them.
void MrtReader::Announce(const Prefix& prefix) {
  std::sort(origins_.begin(), origins_.end());
  uint32_t best = 0;
  size_t most = 0;
  for (size_t i = 0, end = 0; i < origins_.size(); i = end) {
    while (end < origins_.size() && origins_[end] == origins_[i]) ++end;
    const uint32_t asn = origins_[i];
    if (asn != 0 && asn != PrefixTable::kNone && end - i > most) {
      best = asn;
      most = end - i;
    }
  }
  origins_.clear();
  if (best == 0) {
    ++skipped_;
  } else {
    entries_.push_back({prefix, best});
  }
}

bool MrtReader::ReadPeers(Cursor record) {
  record.Take(4);  // The collector's own number.
  record.Take(record.Number(2));
  const uint32_t count = record.Number(2);
  peers_.clear();
  for (uint32_t i = 0; i < count && record.ok(); ++i) {
    const uint32_t type = record.Number(1);
    record.Take(4 + ((type & 1) != 0 ? 16 : 4));
    peers_.push_back(record.Number((type & 2) != 0 ? 4 : 2));
  }
  return record.ok();
}

bool MrtReader::ReadRib(Cursor record, bool v6, bool paths) {
  record.Take(4);  // Its number in the dump.
  const uint32_t length = record.Number(1);
  const size_t most = v6 ? 16 : 4;
  std::string bytes(record.Take(std::min(most, size_t{length + 7} / 8)));
  bytes.resize(most);
  const uint32_t count = record.Number(2);
  if (!record.ok()) return false;
  origins_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t peer = record.Number(2);
    record.Take(paths ? 8 : 4);  // Its age, and the number of the path.
    const size_t size = record.Number(2);
    const Cursor attributes(record.Take(size));
    if (!record.ok()) return false;
    origins_.push_back(
        OriginOf(attributes, 4, peer < peers_.size() ? peers_[peer] : 0));
  }
  const auto prefix = Valid(Cursor(bytes).Address(v6), length);
  if (prefix) Announce(*prefix);
  return true;
}

bool MrtReader::ReadOldRib(Cursor record, bool v6) {
  record.Take(4);  // View, and number in the dump.
  const IpAddress address = record.Address(v6);
  const uint32_t length = record.Number(1);
  record.Take(1 + 4 + (v6 ? 16 : 4));  // Status, age, the peer's address.
  const uint32_t peer = record.Number(2);
  const size_t size = record.Number(2);
  const Cursor attributes(record.Take(size));
  if (!record.ok()) return false;
  const auto prefix = Valid(address, length);
  if (!prefix) return true;
  // There is a record for each peer, one after the other.
  if (prefix_ && *prefix_ != *prefix) Announce(*prefix_);
  prefix_ = prefix;
  origins_.push_back(OriginOf(attributes, 2, peer));
  return true;
}

bool MrtReader::ReadRecord(uint32_t type, uint32_t subtype, Cursor record) {
  constexpr uint32_t kTableDump = 12;
  constexpr uint32_t kTableDumpV2 = 13;
  if (type == kTableDump && (subtype == 1 || subtype == 2)) {
    return ReadOldRib(record, subtype == 2);
  }
  if (type == kTableDumpV2) {
    switch (subtype) {
      case 1:
        return ReadPeers(record);
      case 2:
      case 4:
        return ReadRib(record, subtype == 4, /*paths=*/false);
      case 8:
      case 10:
        return ReadRib(record, subtype == 10, /*paths=*/true);
      default:
        break;
    }
  }
  ++skipped_;
  return true;
}

absl::StatusOr<std::unique_ptr<NetworkSource>> MrtReader::Read() {
  constexpr size_t kHeader = 12;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const std::string_view head, file_.Take(kHeader));
    if (head.empty()) break;
    Cursor header(head);
    header.Take(4);  // When it was written.
    const uint32_t type = header.Number(2);
    const uint32_t subtype = header.Number(2);
    const size_t size = header.Number(4);
    if (!header.ok()) return file_.BadBytes("the file ends within a record");
    if (size > InputFile::kMaxRecord) {
      return file_.BadBytes(absl::StrCat("a record of ", size, " bytes"));
    }
    FATHOM_ASSIGN_OR_RETURN(const std::string_view record, file_.Take(size));
    if (record.size() < size) {
      return file_.BadBytes("the file ends within a record");
    }
    if (!ReadRecord(type, subtype, Cursor(record))) {
      return file_.BadBytes(absl::StrCat("a record of type ", type, ".",
                                         subtype, " ends too early"));
    }
    if (entries_.size() > kMaxNetworks) {
      return file_.BadBytes("too many prefixes");
    }
  }
  if (prefix_) Announce(*prefix_);
  return std::make_unique<AsTable>(std::move(entries_), skipped_);
}

bool Matches(std::string_view head, std::string_view /*tail*/) {
  Cursor header(head);
  header.Take(4);
  const uint32_t type = header.Number(2);
  const uint32_t subtype = header.Number(2);
  const uint32_t size = header.Number(4);
  // Types go from 11 (OSPF) to 49, and what a collector writes first is small.
  return header.ok() && type >= 11 && type <= 49 && subtype <= 14 &&
         size <= InputFile::kMaxRecord;
}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  return MrtReader(file).Read();
}

const Register<NetworkFormat> kMrt({"MRT", "routes that a router of BGP dumped",
                                    &Matches, &Read});

}  // namespace
}  // namespace fathom
