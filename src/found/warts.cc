#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
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
#include "src/found/replies.h"

// The warts format of scamper, as warts(5) describes it: records of a header
// (magic, type, length) and what the type says. Read are traces, and the
// deprecated records of addresses that old traces refer to; all others (lists,
// cycles, pings, tracelb, ...) are passed over. In scoring each trace is a flow
// of its own; otherwise its source, ports and method are.
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
// Of a trace. Types of others are those of paris-traceroute and of old.
enum : uint8_t { kUdp = 2, kTcp = 3, kUdpParis = 5, kTcpAck = 6 };
// Of a hop: what flags say of the reply.
enum : uint8_t { kReplyIsTcp = 0x20, kReplyIsUdp = 0x40 };

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
constexpr size_t kSourceGlobal = 2, kTargetGlobal = 3, kStart = 4, kType = 10,
                 kSourcePort = 12, kTargetPort = 13, kSource = 25, kTarget = 26;
constexpr int kHopParameters[] = {
    kGlobalAddress, 1,        1, 1, 1, 4, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1,
    kSized,         kAddress, 8};
constexpr size_t kHopGlobal = 0, kHopTtl = 1, kHopReplyTtl = 2, kHopFlags = 3,
                 kHopRtt = 5, kHopIcmp = 6, kHopQuotedTtl = 13,
                 kHopTcpFlags = 14, kHopQuotedTos = 15, kHopAddress = 17,
                 kHopSent = 18;

// What stood in a record: numbers as they are, addresses as indices into
// `addresses`.
struct Parameters {
  uint64_t present = 0;  // Bit i: parameter i.
  uint64_t numbers[27] = {};
  IpAddress addresses[27] = {};
  std::string_view sized{};

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

  // A number of 1 to 8 bytes.
  std::optional<uint64_t> Number(size_t size) {
    const auto bytes = Bytes(size);
    if (!bytes) return std::nullopt;
    uint64_t number = 0;
    for (const char c : *bytes) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }

 private:
  std::string_view bytes_;
};

// An address that is neither IPv4 nor IPv6 (a MAC address) is unspecified.
IpAddress ToAddress(uint8_t type, std::string_view bytes) {
  Record record(bytes);
  if (type == kTypeIpv4 && bytes.size() == 4) {
    return IpAddress::V4(static_cast<uint32_t>(*record.Number(4)));
  }
  if (type != kTypeIpv6 || bytes.size() != 16) return {};
  const uint64_t high = *record.Number(8);
  return IpAddress::V6(high, *record.Number(8));
}

// Two numbers of 32 bits: seconds, and microseconds.
Instant ToTime(uint64_t number) {
  return Instant(std::chrono::seconds(number >> 32) +
                 std::chrono::microseconds(number & 0xffffffff));
}

// Objects as warts has them, where the length is that of the payload, as they
// stand in the packet.
void ReadObjects(std::string_view bytes, std::vector<std::byte>& objects) {
  objects.clear();
  Record record(bytes);
  while (true) {
    const auto length = record.Number(2);
    const auto class_and_type = record.Number(2);
    const auto payload = class_and_type ? record.Bytes(*length) : std::nullopt;
    if (!payload || *length % 4 != 0) return;
    const size_t whole = *length + 4;
    if (objects.size() + whole > kMaxExtensions) return;
    const size_t at = objects.size();
    objects.resize(at + whole);
    const auto out = std::span(objects).subspan(at);
    Store(Be32(static_cast<uint32_t>(whole << 16 | *class_and_type)), out);
    std::memcpy(out.data() + 4, payload->data(), payload->size());
  }
}

class WartsReader {
 public:
  WartsReader(FoundFile& file, ReplySink& sink) : file_(file), sink_(sink) {}

  absl::Status Read() {
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const std::string_view head, file_.Take(kHeader));
      if (head.empty()) return absl::OkStatus();
      if (head.size() < kHeader) return CutShort();
      Record header(head);
      const uint64_t magic = *header.Number(2);
      const uint64_t type = *header.Number(2);
      const uint64_t length = *header.Number(4);
      if (magic != kMagic) {
        return file_.BadBytes("no record of warts begins here");
      }
      if (length > FoundFile::kMaxRecord) {
        return file_.BadBytes("a record of more than 64 MB");
      }
      FATHOM_ASSIGN_OR_RETURN(const std::string_view body, file_.Take(length));
      if (body.size() < length) return CutShort();
      if (type == kAddressRecord) FATHOM_RETURN_IF_ERROR(ReadAddress(body));
      if (type == kTraceRecord) {
        const auto read = ReadTrace(Record(body));
        FATHOM_RETURN_IF_ERROR(read.status());
        if (!*read) return file_.BadBytes("a trace that cannot be read");
      }
      if (type > kTraceRecord) sink_.PassOver();
    }
  }

 private:
  absl::Status CutShort() {
    return sink_.CutShort(file_.BadBytes(
        "the last record, somewhat before this, is cut short, as if scamper "
        "had been killed; cut it off"));
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
      const auto bytes = length ? record.Bytes(*length) : std::nullopt;
      if (bytes) out.sized = *bytes;
      return bytes.has_value();
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
      if (bit < 63) out.present |= (*flags & 0x7f) << bit;
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

  // False if it cannot be read.
  absl::StatusOr<bool> ReadTrace(Record record) {
    locals_.clear();
    const auto trace = ReadParameters(record, kTraceParameters);
    const auto hops = trace ? record.Number(2) : std::nullopt;
    if (!hops) return false;
    const size_t target = trace->Has(kTarget) ? kTarget : kTargetGlobal;
    if (!trace->Has(target)) return false;
    BeginTrace(*trace, trace->addresses[target]);
    for (uint64_t i = 0; i < *hops; ++i) {
      const auto hop = ReadParameters(record, kHopParameters);
      if (!hop || !ReadHop(*hop)) return false;
      FATHOM_RETURN_IF_ERROR(sink_.Take(found_));
    }
    ++traces_;
    return true;
  }

  void BeginTrace(const Parameters& trace, const IpAddress& target) {
    trace_ = {};
    trace_.path = traces_;
    trace_.reply.probe.target = target;
    trace_.reply.received = ToTime(trace.numbers[kStart]);
    switch (trace.numbers[kType]) {
      case kUdp:
      case kUdpParis:
        trace_.method = ProbeMethod::kUdp;
        break;
      case kTcp:
      case kTcpAck:
        trace_.method = ProbeMethod::kTcp;
        break;
      default:
        break;
    }
    const size_t source = trace.Has(kSource) ? kSource : kSourceGlobal;
    SetFlow(trace.addresses[source],
            static_cast<uint16_t>(trace.numbers[kSourcePort]),
            static_cast<uint16_t>(trace.numbers[kTargetPort]), trace_);
  }

  bool ReadHop(const Parameters& hop) {
    const size_t responder = hop.Has(kHopAddress) ? kHopAddress : kHopGlobal;
    if (!hop.Has(responder) || !hop.Has(kHopTtl)) return false;
    found_ = trace_;
    Reply& reply = found_.reply;
    const auto byte = [&hop](size_t i) {
      return static_cast<uint8_t>(hop.numbers[i]);
    };
    reply.responder = hop.addresses[responder];
    reply.probe.ttl = Ttl(byte(kHopTtl));
    reply.arrival_ttl = Ttl(byte(kHopReplyTtl));
    if ((byte(kHopFlags) & kReplyIsTcp) != 0) {
      reply.tcp_flags = byte(kHopTcpFlags);
    } else {
      reply.icmp_type = static_cast<uint8_t>(hop.numbers[kHopIcmp] >> 8);
      reply.icmp_code = byte(kHopIcmp);
    }
    reply.kind =
        AnsweredByHost(hop) ? KindOfHost(reply) : KindOf(reply, found_.method);
    reply.quoted_tos = byte(kHopQuotedTos);
    // One that is not told is 1.
    const bool told = hop.Has(kHopQuotedTtl) || !QuotesProbe(reply);
    reply.quoted_ttl = Ttl(told ? byte(kHopQuotedTtl) : 1);
    ReadTimes(hop);
    ReadObjects(hop.sized, objects_);
    reply.extensions.bytes = objects_;
    return true;
  }

  // By TCP or UDP, and so by no router on the way.
  static bool AnsweredByHost(const Parameters& hop) {
    return (hop.numbers[kHopFlags] & (kReplyIsTcp | kReplyIsUdp)) != 0;
  }
  static ReplyKind KindOfHost(const Reply& reply) {
    return reply.responder == reply.probe.target ? ReplyKind::kDestination
                                                 : ReplyKind::kAlias;
  }

  void ReadTimes(const Parameters& hop) {
    Reply& reply = found_.reply;
    if (hop.Has(kHopRtt)) {
      reply.rtt = std::chrono::microseconds(hop.numbers[kHopRtt]);
    }
    // Without it, all replies came when the trace began.
    if (hop.Has(kHopSent)) {
      reply.received =
          ToTime(hop.numbers[kHopSent]) + std::max(reply.rtt, Nanos(0));
    }
  }

  FoundFile& file_;
  ReplySink& sink_;
  std::vector<IpAddress> globals_ = {{}};  // Of the file; 0 is nobody.
  std::vector<IpAddress> locals_;          // Of the record.
  uint32_t traces_ = 0;
  FoundReply trace_;  // What its replies share.
  FoundReply found_;
  std::vector<std::byte> objects_;
};

absl::Status Read(FoundFile& file, ReplySink& sink) {
  return WartsReader(file, sink).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return head.starts_with("\x12\x05");
}

const Register<FoundFormat> kWarts({"warts", "scamper's warts", &Knows,
                                    &ReadHops<&Read>, &Read});

}  // namespace
}  // namespace fathom::found
