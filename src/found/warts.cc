#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"

// The warts format of scamper, as warts(5) describes it: records of a header
// (magic, type, length) and what the type says. Read are traces, each a flow
// of its own, and the deprecated records of addresses that old traces refer to;
// all others (lists, cycles, pings, ...) are passed over.
//
// What may be left out of a record is announced by flags, seven a byte, and
// then stands in the order of the flags. New parameters come after those that
// are known, so what is not known can be passed over.

namespace fathom::found {
namespace {

constexpr uint16_t kMagic = 0x1205;
constexpr size_t kHeader = 8;
enum : uint16_t { kAddressRecord = 5, kTraceRecord = 6 };
enum : uint8_t { kTypeIpv4 = 1, kTypeIpv6 = 2 };

// Sizes of the parameters of a trace and of a hop, in order; an address and
// what has a size of its own are marked.
constexpr int kAddress = -1, kSized = -2, kGlobalAddress = -3;
constexpr int kTraceParameters[] = {4,
                                    4,
                                    kGlobalAddress,
                                    kGlobalAddress,
                                    8,
                                    1,
                                    1,
                                    1,
                                    1,
                                    1,
                                    1,
                                    2,
                                    2,
                                    2,
                                    1,
                                    1,
                                    1,
                                    1,
                                    2,
                                    1,
                                    1,
                                    1,
                                    2,
                                    1,
                                    1,
                                    kAddress,
                                    kAddress};
constexpr size_t kTargetGlobal = 3, kTarget = 26;
constexpr int kHopParameters[] = {
    kGlobalAddress, 1,       1, 1, 1, 4, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1,
    kSized,         kAddress};
constexpr size_t kHopGlobal = 0, kHopTtl = 1, kHopIcmp = 6, kHopAddress = 17;

// What stood in a record: numbers as they are, addresses as indices into
// `addresses`.
struct Parameters {
  uint64_t present = 0;  // Bit i: parameter i.
  uint32_t numbers[27] = {};
  IpAddress addresses[27] = {};

  bool Has(size_t i) const { return (present >> i & 1) != 0; }
};

// The rest of a record; reads nothing past its end, and then says so.
class Record {
 public:
  explicit Record(std::string_view bytes) : bytes_(bytes) {}

  std::optional<std::string_view> Bytes(size_t count) {
    if (count > bytes_.size()) return std::nullopt;
    const std::string_view bytes = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return bytes;
  }

  // A number of 1 to 8 bytes, of which the last four count.
  std::optional<uint32_t> Number(size_t size) {
    const auto bytes = Bytes(size);
    if (!bytes) return std::nullopt;
    uint64_t number = 0;
    for (const char c : *bytes) number = number << 8 | static_cast<uint8_t>(c);
    return static_cast<uint32_t>(number);
  }

 private:
  std::string_view bytes_;
};

// An address that is neither IPv4 nor IPv6 (a MAC address) is unspecified.
IpAddress ToAddress(uint8_t type, std::string_view bytes) {
  Record record(bytes);
  if (type == kTypeIpv4 && bytes.size() == 4) {
    return IpAddress::V4(*record.Number(4));
  }
  if (type != kTypeIpv6 || bytes.size() != 16) return {};
  const auto half = [&record] {
    const uint64_t high = *record.Number(4);
    return high << 32 | *record.Number(4);
  };
  const uint64_t high = half();
  return IpAddress::V6(high, half());
}

class WartsReader {
 public:
  WartsReader(FoundFile& file, Findings& findings)
      : file_(file), findings_(findings) {}

  absl::Status Read() {
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const std::string_view head, file_.Take(kHeader));
      if (head.empty()) return absl::OkStatus();
      if (head.size() < kHeader) return CutShort();
      Record header(head);
      const uint32_t magic = *header.Number(2);
      const uint32_t type = *header.Number(2);
      const uint32_t length = *header.Number(4);
      if (magic != kMagic) {
        return file_.BadBytes(
            "no record of warts begins here; if the file is compressed, "
            "unpack it first");
      }
      if (length > FoundFile::kMaxRecord) {
        return file_.BadBytes("a record of more than 64 MB");
      }
      FATHOM_ASSIGN_OR_RETURN(const std::string_view body, file_.Take(length));
      if (body.size() < length) return CutShort();
      if (type == kAddressRecord) FATHOM_RETURN_IF_ERROR(ReadAddress(body));
      if (type == kTraceRecord && !ReadTrace(Record(body))) {
        return file_.BadBytes("a trace that cannot be read");
      }
    }
  }

 private:
  absl::Status CutShort() {
    return file_.BadBytes(
        "the last record, somewhat before this, is cut short, as if scamper "
        "had been killed; cut it off");
  }

  // Addresses are numbered as they come, from 1; the record holds the number
  // modulo 255, the type, and the address.
  absl::Status ReadAddress(std::string_view body) {
    if (body.size() < 3 ||
        static_cast<uint8_t>(body[0]) != globals_.size() % 255) {
      return file_.BadBytes("an address record that cannot be read");
    }
    globals_.push_back(
        ToAddress(static_cast<uint8_t>(body[1]), body.substr(2)));
    return absl::OkStatus();
  }

  // Either the address itself, which gets the next number within this record,
  // or a zero and the number of one.
  std::optional<IpAddress> ReadInlineAddress(Record& record) {
    const auto size = record.Number(1);
    if (!size) return std::nullopt;
    if (*size == 0) {
      const auto number = record.Number(4);
      if (!number || *number >= locals_.size()) return std::nullopt;
      return locals_[*number];
    }
    const auto type = record.Number(1);
    const auto bytes = record.Bytes(*size);
    if (!type || !bytes) return std::nullopt;
    locals_.push_back(ToAddress(static_cast<uint8_t>(*type), *bytes));
    return locals_.back();
  }

  bool ReadParameter(Record& record, int size, size_t i, Parameters& out) {
    if (size == kAddress) {
      const auto address = ReadInlineAddress(record);
      if (address) out.addresses[i] = *address;
      return address.has_value();
    }
    if (size == kSized) {
      const auto length = record.Number(2);
      return length && record.Bytes(*length);
    }
    const auto number =
        record.Number(size == kGlobalAddress ? 4 : static_cast<size_t>(size));
    if (!number) return false;
    out.numbers[i] = *number;
    if (size != kGlobalAddress) return true;
    if (*number >= globals_.size()) return false;
    out.addresses[i] = globals_[*number];
    return true;
  }

  std::optional<Parameters> ReadParameters(Record& record,
                                           std::span<const int> sizes) {
    Parameters out;
    size_t bit = 0;
    for (bool more = true; more;) {
      const auto flags = record.Number(1);
      if (!flags) return std::nullopt;
      if (bit < 63) out.present |= uint64_t{*flags & 0x7f} << bit;
      more = (*flags & 0x80) != 0;
      bit += 7;
    }
    // No flags, no length; so says the first byte alone.
    if (out.present == 0 && bit == 7) return out;
    const auto length = record.Number(2);
    const auto bytes = length ? record.Bytes(*length) : std::nullopt;
    if (!bytes) return std::nullopt;
    Record inner(*bytes);
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (out.Has(i) && !ReadParameter(inner, sizes[i], i, out)) {
        return std::nullopt;
      }
    }
    return out;
  }

  bool ReadTrace(Record record) {
    locals_.clear();
    const auto trace = ReadParameters(record, kTraceParameters);
    const auto hops = trace ? record.Number(2) : std::nullopt;
    if (!hops) return false;
    const size_t target = trace->Has(kTarget) ? kTarget : kTargetGlobal;
    if (!trace->Has(target)) return false;
    for (uint32_t i = 0; i < *hops; ++i) {
      const auto hop = ReadParameters(record, kHopParameters);
      if (!hop || !AddHop(trace->addresses[target], *hop)) return false;
    }
    ++traces_;
    return true;
  }

  bool AddHop(const IpAddress& target, const Parameters& hop) {
    const size_t responder = hop.Has(kHopAddress) ? kHopAddress : kHopGlobal;
    if (!hop.Has(responder) || !hop.Has(kHopTtl)) return false;
    // Type and code; an answer over TCP has none.
    const uint32_t type = hop.Has(kHopIcmp) ? hop.numbers[kHopIcmp] >> 8 : 0;
    findings_.AddHop(target, traces_, hop.numbers[kHopTtl],
                     hop.addresses[responder],
                     KindOf(type, hop.addresses[responder], target));
    return true;
  }

  FoundFile& file_;
  Findings& findings_;
  std::vector<IpAddress> globals_ = {{}};  // Of the file; 0 is nobody.
  std::vector<IpAddress> locals_;          // Of the record.
  uint32_t traces_ = 0;
};

absl::Status Read(FoundFile& file, Findings& findings) {
  return WartsReader(file, findings).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return head.starts_with("\x12\x05");
}

const Register<FoundFormat> kWarts({"warts", "scamper's warts", &Knows, &Read});

}  // namespace
}  // namespace fathom::found
