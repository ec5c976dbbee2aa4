#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"
#include "src/net/icmp_extensions.h"

// The binary format of scamper (warts(5)): a list, the start of a cycle, a
// trace for each target and flow, and the end of the cycle. A record is a
// header (0x1205, type, length) and what the type says; all numbers are
// big-endian. Parameters may be left out: flags, seven a byte, say which are
// there. Left out is what is in no dataset: our own address, sizes, IP ids, how
// often was asked.
//
// The probe of a reply was sent its round-trip time before, so that the two
// together give back when it arrived. The source port stands for the flow.
//
// Memory: one trace, some 60 bytes a reply and its extensions.

namespace fathom {
namespace {

enum RecordType : uint16_t {
  kList = 1,
  kCycleStart = 2,
  kCycleStop = 4,
  kTrace = 6,
};
enum TraceType : uint8_t {
  kTcpSyn = 3,
  kIcmpParis = 4,
  kUdpParis = 5,
  kTcpAck = 6,
};
enum StopReason : uint8_t { kStopNone = 0, kCompleted = 1, kUnreachable = 2 };
enum HopFlags : uint8_t { kHasReplyTtl = 0x10, kIsTcp = 0x20 };

// Scamper's own ids for the one list and the one cycle there are.
constexpr uint32_t kId = 1;
// The field that counts them has 16 bits.
constexpr size_t kMaxHops = 65'535;

void PutNumber(uint64_t number, int size, std::string& out) {
  for (int i = size - 1; i >= 0; --i) {
    out += static_cast<char>(number >> (8 * i) & 0xff);
  }
}

// Parameters of a record: flags, their length, and the values.
class Parameters {
 public:
  // `id` as warts(5) numbers them, from 1. Ids ascend.
  void Add(int id, uint64_t number, int size) {
    PutNumber(number, size, Value(id));
  }

  // Where to append the value of a parameter that has a size of its own.
  std::string& Value(int id) {
    const auto byte = static_cast<size_t>((id - 1) / 7);
    assert(id >= last_);
    last_ = id;
    if (flags_.size() <= byte) flags_.resize(byte + 1);
    flags_[byte] = static_cast<char>(flags_[byte] | 1 << ((id - 1) % 7));
    return values_;
  }

  void AppendTo(std::string& out) {
    for (size_t i = 0; i + 1 < flags_.size(); ++i) {
      flags_[i] = static_cast<char>(flags_[i] | 0x80);
    }
    if (flags_.empty()) flags_.push_back('\0');
    out += flags_;
    if (!values_.empty()) PutNumber(values_.size(), 2, out);
    out += values_;
  }

 private:
  std::string flags_;
  std::string values_;
  int last_ = 0;
};

void PutRecord(RecordType type, std::string_view body, PublishedFile& out) {
  std::string header;
  PutNumber(0x1205, 2, header);
  PutNumber(type, 2, header);
  PutNumber(body.size(), 4, header);
  out.Put(header);
  out.Put(body);
}

// Objects as warts has them: the length is that of the payload.
std::string SpellObjects(std::span<const std::byte> bytes) {
  std::string objects;
  for (const ExtensionObject& object : ObjectsOf(bytes)) {
    PutNumber(object.payload.size(), 2, objects);
    PutNumber(object.object_class, 1, objects);
    PutNumber(object.object_type, 1, objects);
    objects.append(reinterpret_cast<const char*>(object.payload.data()),
                   object.payload.size());
  }
  return objects;
}

bool QuotesProbe(const Reply& reply) {
  if (reply.tcp_flags != 0) return false;
  const uint8_t type = reply.icmp_type;
  return FamilyOf(reply) == Family::kIpv4 ? type == 3 || type == 11
                                          : type >= 1 && type <= 3;
}

class Warts final : public FieldFormat {
 public:
  explicit Warts(const ProbeShape& shape) : shape_(shape) {}

  void Begin(PublishedFile& out) override {
    std::string list;
    PutNumber(kId, 4, list);
    PutNumber(kId, 4, list);
    list.append("fathom");
    list.push_back('\0');
    Parameters more;
    more.Value(1).append("written by fathom ").append(FATHOM_VERSION);
    more.Value(1).push_back('\0');
    if (!shape_.vantage.empty()) {
      // A null byte would end it before its length does.
      std::string& name = more.Value(2);
      for (const char c : shape_.vantage.substr(0, 255)) {
        if (c != '\0') name.push_back(c);
      }
      name.push_back('\0');
    }
    more.AppendTo(list);
    PutRecord(kList, list, out);
    std::string cycle;
    for (const uint32_t id : {kId, kId, kId}) PutNumber(id, 4, cycle);
    PutNumber(shape_.start, 4, cycle);
    PutNumber(0, 1, cycle);
    PutRecord(kCycleStart, cycle, out);
    stop_ = shape_.start;
  }

  absl::Status Take(const Reply& reply, const HopRow& row,
                    PublishedFile& out) override {
    if (reply.probe.ttl == Ttl(0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a reply at TTL 0, to a probe to ", reply.probe.target.ToString(),
          ", which warts cannot hold"));
    }
    const bool other = reply.probe.target != probe_.target ||
                       reply.probe.flow != probe_.flow || hops_ == kMaxHops;
    if (hops_ > 0 && other) PutTrace(out);
    if (hops_ == 0) BeginTrace(reply, row);
    attempt_ = hops_ > 0 && reply.probe.ttl == probe_.ttl ? attempt_ + 1 : 0;
    probe_ = reply.probe;
    ++hops_;
    AppendHop(reply, row);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    if (hops_ > 0) PutTrace(out);
    std::string stop;
    PutNumber(kId, 4, stop);
    PutNumber(stop_, 4, stop);
    PutNumber(0, 1, stop);
    PutRecord(kCycleStop, stop, out);
    return absl::OkStatus();
  }

 private:
  void BeginTrace(const Reply& reply, const HopRow& row) {
    start_ = SentAt(row);
    addresses_.clear();
    // The target has the first number: it stands before all hops.
    addresses_.emplace(reply.probe.target, 0);
    stop_reason_ = kStopNone;
    stop_data_ = 0;
    records_.clear();
  }

  // Microseconds since 1970.
  static uint64_t SentAt(const HopRow& row) {
    const uint64_t received = row[13] * 1'000'000;
    const uint64_t rtt = row[12] == kRttUnknown ? 0 : row[12] * 100;
    return received - std::min(received, rtt);
  }

  static void PutTime(uint64_t microseconds, std::string& out) {
    PutNumber(microseconds / 1'000'000, 4, out);
    PutNumber(microseconds % 1'000'000, 4, out);
  }

  // An address of this record: once in full, then by its number.
  void PutAddress(const IpAddress& address, std::string& out) {
    const auto [at, is_new] = addresses_.emplace(address, addresses_.size());
    if (!is_new) {
      PutNumber(0, 1, out);
      PutNumber(at->second, 4, out);
      return;
    }
    PutNewAddress(address, out);
  }

  static void PutNewAddress(const IpAddress& address, std::string& out) {
    if (address.family() == Family::kIpv4) {
      out.append("\x04\x01", 2);
      PutNumber(address.v4(), 4, out);
    } else {
      out.append("\x10\x02", 2);
      PutNumber(address.high(), 8, out);
      PutNumber(address.low(), 8, out);
    }
  }

  void AppendHop(const Reply& reply, const HopRow& row) {
    start_ = std::min(start_, SentAt(row));
    stop_ = std::max(stop_, static_cast<uint32_t>(row[13]));
    NoteStop(reply);
    const bool tcp = reply.tcp_flags != 0;
    const bool quotes = QuotesProbe(reply);
    Parameters hop;
    hop.Add(2, row[2], 1);
    hop.Add(3, row[8], 1);
    hop.Add(4, kHasReplyTtl | (tcp ? kIsTcp : 0), 1);
    hop.Add(5, std::min(attempt_, 254U), 1);
    if (row[12] != kRttUnknown) hop.Add(6, row[12] * 100, 4);
    if (!tcp) hop.Add(7, row[5] << 8 | row[6], 2);
    if (quotes && row[9] != 1) hop.Add(14, row[9], 1);
    if (tcp) hop.Add(15, reply.tcp_flags, 1);
    if (quotes) hop.Add(16, row[10], 1);
    const std::string objects = SpellObjects(reply.extensions.bytes);
    if (!objects.empty()) {
      std::string& value = hop.Value(17);
      PutNumber(objects.size(), 2, value);
      value += objects;
    }
    PutAddress(reply.responder, hop.Value(18));
    PutTime(SentAt(row), hop.Value(19));
    hop.AppendTo(records_);
  }

  void NoteStop(const Reply& reply) {
    if (reply.kind == ReplyKind::kDestination) stop_reason_ = kCompleted;
    if (reply.kind == ReplyKind::kUnreachable && stop_reason_ == kStopNone) {
      stop_reason_ = kUnreachable;
      stop_data_ = reply.icmp_code;
    }
  }

  TraceType TypeOfTrace() const {
    switch (shape_.method) {
      case ProbeShape::Method::kUdp:
        return kUdpParis;
      case ProbeShape::Method::kTcpAck:
        return kTcpAck;
      case ProbeShape::Method::kTcpSyn:
        return kTcpSyn;
      case ProbeShape::Method::kIcmp:
        break;
    }
    return kIcmpParis;
  }

  void PutTrace(PublishedFile& out) {
    Parameters trace;
    trace.Add(1, kId, 4);
    trace.Add(2, kId, 4);
    PutTime(start_, trace.Value(5));
    trace.Add(6, stop_reason_, 1);
    trace.Add(7, stop_data_, 1);
    trace.Add(11, TypeOfTrace(), 1);
    trace.Add(13, FieldPort(probe_.flow), 2);
    trace.Add(14, shape_.target_port, 2);
    trace.Add(19, probe_.ttl.value(), 2);
    PutNewAddress(probe_.target, trace.Value(27));
    std::string body;
    trace.AppendTo(body);
    PutNumber(hops_, 2, body);
    body += records_;
    PutNumber(0, 2, body);  // No more attributes.
    PutRecord(kTrace, body, out);
    hops_ = 0;
  }

  const ProbeShape shape_;
  uint32_t stop_ = 0;  // When the last reply came, of all.
  // The trace so far.
  Probe probe_;  // Of its last reply.
  size_t hops_ = 0;
  unsigned attempt_ = 0;  // Replies before, at the same TTL.
  uint64_t start_ = 0;
  uint8_t stop_reason_ = kStopNone;
  uint8_t stop_data_ = 0;
  absl::flat_hash_map<IpAddress, size_t> addresses_;
  std::string records_;
};

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(options,
                            std::make_unique<Warts>(ShapeOf(options.manifest)));
}

const Register<FormatModule> kWarts({"warts", "hops, as scamper's warts",
                                     &Create, Table::kHops});

}  // namespace
}  // namespace fathom
