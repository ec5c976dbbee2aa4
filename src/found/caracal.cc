#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/replies.h"
#include "src/found/text.h"

// The CSV of caracal, which is also that of Iris: 17 columns, a line a reply.
// A flow is the protocol and the two ports of the probe. Addresses are IPv6
// text, IPv4 in its mapped form; times are seconds, round-trip times units of
// 0.1 ms, of which 65535 is taken for unknown, as our own writer says it.
//
// An echo reply quotes no probe, so caracal writes "::" as its target: it is
// then whoever answered.

namespace fathom::found {
namespace {

constexpr std::string_view kHeader =
    "capture_timestamp,probe_protocol,probe_src_addr,probe_dst_addr,"
    "probe_src_port,probe_dst_port,probe_ttl,quoted_ttl,reply_src_addr,"
    "reply_protocol,reply_icmp_type,reply_icmp_code,reply_ttl,reply_size,"
    "reply_mpls_labels,rtt,round";
constexpr size_t kFields = 17;
enum : size_t {
  kTime = 0,
  kProtocol = 1,
  kSource = 2,
  kTarget = 3,
  kSourcePort = 4,
  kTargetPort = 5,
  kTtl = 6,
  kQuotedTtl = 7,
  kResponder = 8,
  kReplyProtocol = 9,
  kIcmpType = 10,
  kIcmpCode = 11,
  kReplyTtl = 12,
  kLabels = 14,
  kRtt = 15,
};
constexpr uint64_t kTcp = 6, kUdp = 17;
constexpr uint64_t kUnknown = 65'535;

// "[(label,exp,s,ttl),...]"; empty if it cannot be read.
std::vector<FoundLabel> ParseLabels(std::string_view text) {
  std::vector<FoundLabel> labels;
  while (true) {
    const size_t open = text.find('(');
    const size_t close = text.find(')');
    if (open == text.npos || close == text.npos || close < open) return labels;
    const auto parts = Fields(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
    if (parts.size() != 4) return {};
    const auto label = ParseNumber(parts[0], 0xfffff);
    const auto traffic_class = ParseNumber(parts[1], 7);
    const auto bottom = ParseNumber(parts[2], 1);
    const auto ttl = ParseNumber(parts[3], 255);
    if (!label || !traffic_class || !bottom || !ttl) return {};
    labels.push_back({.label = static_cast<uint32_t>(*label),
                      .traffic_class = static_cast<uint8_t>(*traffic_class),
                      .bottom = *bottom != 0,
                      .ttl = static_cast<uint8_t>(*ttl)});
  }
}

class CaracalReader {
 public:
  CaracalReader(FoundFile& file, ReplySink& sink) : file_(file), sink_(sink) {}

  absl::Status Read() {
    std::string_view line;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, file_.NextText(&line));
      if (!any) return absl::OkStatus();
      if (line.starts_with(kHeader.substr(0, 18))) continue;
      const absl::Status status = ReadReply(Fields(line));
      if (absl::IsInvalidArgument(status)) {
        return LineCutShort(file_, sink_, status);
      }
      FATHOM_RETURN_IF_ERROR(status);
    }
  }

 private:
  absl::Status ReadReply(const std::vector<std::string_view>& row) {
    if (row.size() != kFields) {
      return file_.BadLine(absl::StrCat(
          row.size(),
          " fields where caracal writes 17; if it was cut short while it "
          "wrote, remove this line"));
    }
    auto target = IpAddress::Parse(row[kTarget]);
    const auto responder = IpAddress::Parse(row[kResponder]);
    const auto type = ParseNumber(row[kIcmpType], 255);
    const auto ttl = ParseNumber(row[kTtl], 255);
    const auto protocol = ParseNumber(row[kProtocol], 255);
    const auto source_port = ParseNumber(row[kSourcePort], 0xffff);
    const auto target_port = ParseNumber(row[kTargetPort], 0xffff);
    if (!target || !responder || !type || !ttl || !protocol || !source_port ||
        !target_port) {
      return file_.BadLine(
          "the addresses, ports, protocol, ICMP type or probe_ttl of a reply "
          "cannot be read");
    }
    if (*target == IpAddress()) target = responder;
    found_ = {};
    found_.method = *protocol == kUdp   ? ProbeMethod::kUdp
                    : *protocol == kTcp ? ProbeMethod::kTcp
                                        : ProbeMethod::kIcmp;
    found_.reply.probe.target = *target;
    found_.reply.probe.ttl = Ttl(static_cast<uint8_t>(*ttl));
    found_.reply.responder = *responder;
    found_.reply.icmp_type = static_cast<uint8_t>(*type);
    SetFlow(IpAddress::Parse(row[kSource]).value_or(IpAddress()),
            static_cast<uint16_t>(*source_port),
            static_cast<uint16_t>(*target_port), found_);
    found_.path = static_cast<uint32_t>(found_.flow_key);
    ReadRest(row);
    return sink_.Take(found_);
  }

  // What is not needed to know the hop, and is left at its default where it
  // cannot be read.
  void ReadRest(const std::vector<std::string_view>& row) {
    Reply& reply = found_.reply;
    const auto byte = [&row](size_t i) {
      return static_cast<uint8_t>(ParseNumber(row[i], 255).value_or(0));
    };
    reply.icmp_code = byte(kIcmpCode);
    reply.arrival_ttl = Ttl(byte(kReplyTtl));
    reply.quoted_ttl = Ttl(byte(kQuotedTtl));
    reply.received = Instant(
        std::chrono::seconds(ParseNumber(row[kTime], 0xffffffff).value_or(0)));
    const uint64_t rtt = ParseNumber(row[kRtt], kUnknown).value_or(kUnknown);
    if (rtt != kUnknown) {
      reply.rtt = std::chrono::microseconds(100) * static_cast<int64_t>(rtt);
    }
    // The flags of an answer by TCP are not told, but that it is one.
    const bool tcp = row[kReplyProtocol] == "6";
    reply.kind =
        tcp ? (reply.responder == reply.probe.target ? ReplyKind::kDestination
                                                     : ReplyKind::kAlias)
            : KindOf(reply, found_.method);
    objects_.clear();
    AppendLabels(ParseLabels(row[kLabels]), objects_);
    reply.extensions.bytes = objects_;
  }

  FoundFile& file_;
  ReplySink& sink_;
  FoundReply found_;
  std::vector<std::byte> objects_;
};

absl::Status Read(FoundFile& file, ReplySink& sink) {
  return CaracalReader(file, sink).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return FirstLine(head) == kHeader;
}

const Register<FoundFormat> kCaracal({"caracal", "the CSV of caracal and Iris",
                                      &Knows, &ReadHops<&Read>, &Read});

}  // namespace
}  // namespace fathom::found
