#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/json.h"
#include "src/found/replies.h"
#include "src/found/text.h"

// Traceroutes of RIPE Atlas, a JSON object a line, or the array of them that
// its API gives with an object a line. A flow is the probe (the machine at
// RIPE's) and its paris_id. Times are those of traces. Types of ICMP follow
// from "err": none is an exceeded TTL, or the target's own answer.

namespace fathom::found {
namespace {

using Json = nlohmann::json;

struct Refusal {
  uint8_t type;
  uint8_t code;
};

// Of a letter or a number in "err".
std::optional<Refusal> ReadError(const Json& error, bool v6) {
  const uint8_t type = v6 ? 1 : 3;
  if (error.is_number_unsigned()) {
    return Refusal{type, static_cast<uint8_t>(error.get<uint64_t>())};
  }
  const auto* const text = error.get_ptr<const Json::string_t*>();
  if (text == nullptr || text->size() != 1) return std::nullopt;
  const std::string_view letters = v6 ? "NAhHp" : "NHPp";
  const size_t code = letters.find((*text)[0]);
  if (code != letters.npos) return Refusal{type, static_cast<uint8_t>(code)};
  if (!v6 && *text == "A") return Refusal{type, 13};
  return std::nullopt;
}

uint8_t ReadFlags(std::string_view text) {
  constexpr std::string_view kLetters = "FSRPAU";
  unsigned flags = 0;
  for (const char c : text) {
    const size_t bit = kLetters.find(c);
    if (bit != kLetters.npos) flags |= 1U << bit;
  }
  return static_cast<uint8_t>(flags);
}

uint8_t ByteIn(const Json& object, const char* key, uint8_t otherwise) {
  return static_cast<uint8_t>(NumberIn(object, key, 255).value_or(otherwise));
}

void ReadExtensions(const Json& reply, std::vector<std::byte>& objects) {
  objects.clear();
  for (const Json& object : Member(Member(reply, "icmpext"), "obj")) {
    std::vector<FoundLabel> labels;
    for (const Json& entry : Member(object, "mpls")) {
      labels.push_back({.label = static_cast<uint32_t>(
                            NumberIn(entry, "label", 0xfffff).value_or(0)),
                        .traffic_class = static_cast<uint8_t>(
                            NumberIn(entry, "exp", 7).value_or(0)),
                        .bottom = NumberIn(entry, "s", 1).value_or(0) != 0,
                        .ttl = ByteIn(entry, "ttl", 0)});
    }
    AppendLabels(labels, objects);
  }
}

class AtlasReader {
 public:
  AtlasReader(FoundFile& file, ReplySink& sink) : file_(file), sink_(sink) {}

  absl::Status Read() {
    std::string_view line;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, file_.NextText(&line));
      if (!any) return absl::OkStatus();
      line = Strip(line);
      // What stands around the objects of an array.
      if (line.starts_with('[')) line = Strip(line.substr(1));
      while (line.ends_with(',') || line.ends_with(']')) {
        line = Strip(line.substr(0, line.size() - 1));
      }
      if (line.empty()) continue;
      const Json trace = ParseJson(line);
      if (!trace.is_object()) {
        return LineCutShort(
            file_, sink_,
            file_.BadLine("not a JSON object; there must be one a line, as "
                          "with format=txt; if the file was cut short, remove "
                          "this line"));
      }
      FATHOM_RETURN_IF_ERROR(ReadTrace(trace));
    }
  }

 private:
  absl::Status ReadTrace(const Json& trace) {
    const std::string_view type = Text(trace, "type");
    if (!type.empty() && type != "traceroute") {
      sink_.PassOver();
      return absl::OkStatus();
    }
    // A name that was not resolved has no address, and no hops.
    const auto target = AddressIn(trace, "dst_addr");
    if (!target) {
      sink_.PassOver();
      return absl::OkStatus();
    }
    trace_ = {};
    const std::string_view protocol = Text(trace, "proto");
    trace_.method = protocol == "UDP"   ? ProbeMethod::kUdp
                    : protocol == "TCP" ? ProbeMethod::kTcp
                                        : ProbeMethod::kIcmp;
    trace_.path = traces_++;
    const auto paris = NumberIn(trace, "paris_id", 0xffff).value_or(0);
    const auto probe = NumberIn(trace, "prb_id", 0xffffffff).value_or(0);
    trace_.flow = static_cast<uint16_t>(paris);
    trace_.flow_key =
        Mix(probe << 16 | paris) + static_cast<uint64_t>(trace_.method);
    trace_.reply.probe.target = *target;
    trace_.reply.received = Instant(std::chrono::seconds(
        NumberIn(trace, "timestamp", 0xffffffff).value_or(0)));
    for (const Json& hop : Member(trace, "result")) {
      FATHOM_RETURN_IF_ERROR(ReadHop(hop));
    }
    return absl::OkStatus();
  }

  absl::Status ReadHop(const Json& hop) {
    const auto ttl = NumberIn(hop, "hop", 255);
    const Json& replies = Member(hop, "result");
    if (!replies.is_array()) return absl::OkStatus();
    if (!ttl) return file_.BadLine("a hop without \"hop\", its number");
    for (const Json& reply : replies) {
      const auto responder = AddressIn(reply, "from");
      // {"x":"*"}, or an answer to an earlier probe, perhaps of another hop.
      if (!responder || reply.contains("late")) continue;
      found_ = trace_;
      found_.reply.probe.ttl = Ttl(static_cast<uint8_t>(*ttl));
      found_.reply.responder = *responder;
      ReadReply(reply);
      FATHOM_RETURN_IF_ERROR(sink_.Take(found_));
    }
    return absl::OkStatus();
  }

  void ReadReply(const Json& json) {
    Reply& reply = found_.reply;
    const bool v6 = reply.responder.family() == Family::kIpv6;
    const bool own = reply.responder == reply.probe.target;
    const bool alias = Text(json, "kind") == "alias";
    reply.tcp_flags = ReadFlags(Text(json, "flags"));
    if (reply.tcp_flags == 0) {
      const auto refusal = ReadError(Member(json, "err"), v6);
      reply.icmp_type = refusal        ? refusal->type
                        : own || alias ? (v6 ? 129 : 0)
                                       : (v6 ? 3 : 11);
      reply.icmp_code = refusal ? refusal->code : 0;
    }
    reply.kind = alias ? ReplyKind::kAlias : KindOf(reply, found_.method);
    const bool quotes = !own || QuotesProbe(reply);
    reply.quoted_ttl = Ttl(ByteIn(json, "ittl", quotes ? 1 : 0));
    reply.arrival_ttl = Ttl(ByteIn(json, "ttl", 0));
    const Json& rtt = Member(json, "rtt");
    if (rtt.is_number()) {
      const double ms = rtt.get<double>();
      if (ms >= 0 && ms < 1e7) reply.rtt = Nanos(std::llround(ms * 1e6));
    }
    ReadExtensions(json, objects_);
    reply.extensions.bytes = objects_;
  }

  FoundFile& file_;
  ReplySink& sink_;
  uint32_t traces_ = 0;
  FoundReply trace_;  // What its replies share.
  FoundReply found_;
  std::vector<std::byte> objects_;
};

absl::Status Read(FoundFile& file, ReplySink& sink) {
  return AtlasReader(file, sink).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  const std::string_view line = FirstLine(head);
  if (!line.starts_with('{') && !line.starts_with('[')) return false;
  return head.find("\"dst_addr\"") != head.npos ||
         head.find("\"paris_id\"") != head.npos ||
         head.find("\"prb_id\"") != head.npos;
}

const Register<FoundFormat> kAtlas({"atlas", "RIPE Atlas's JSON lines", &Knows,
                                    &ReadHops<&Read>, &Read});

}  // namespace
}  // namespace fathom::found
