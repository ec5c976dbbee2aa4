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

// The text of yarrp (.yrp): lines of "# key: value", then a line a reply,
//
//   target sec usec type code ttl hop rtt ipid psize rsize rttl rtos mpls count
//
// Versions before 0.7 lack mpls, which is "label:ttl,label:ttl" or 0. One flow
// a target. Round-trip times are in microseconds, or in milliseconds if the
// header says so.

namespace fathom::found {
namespace {

constexpr size_t kFields = 15;

class YarrpReader {
 public:
  YarrpReader(FoundFile& file, ReplySink& sink) : file_(file), sink_(sink) {}

  absl::Status Read() {
    std::string_view line;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, file_.NextLine(&line));
      if (!any) return absl::OkStatus();
      if (line.starts_with('#')) {
        ReadHeader(line);
        continue;
      }
      if (Strip(line).empty()) continue;
      const absl::Status status = ReadReply(Words(line));
      if (absl::IsInvalidArgument(status)) {
        return LineCutShort(file_, sink_, status);
      }
      FATHOM_RETURN_IF_ERROR(status);
    }
  }

 private:
  void ReadHeader(std::string_view line) {
    if (line.starts_with("# RTT_Granularity: ms")) {
      rtt_unit_ = std::chrono::milliseconds(1);
    }
    if (line.starts_with("# Trace_Type: UDP")) {
      found_.method = ProbeMethod::kUdp;
    }
    if (line.starts_with("# Trace_Type: TCP")) {
      found_.method = ProbeMethod::kTcp;
    }
  }

  absl::Status ReadReply(const std::vector<std::string_view>& words) {
    if (words.size() != kFields && words.size() != kFields - 1) {
      return file_.BadLine(absl::StrCat(
          words.size(),
          " fields where yarrp writes 15; if it was cut short while it wrote, "
          "remove this line"));
    }
    const auto target = IpAddress::Parse(words[0]);
    const auto hop = IpAddress::Parse(words[6]);
    const auto type = ParseNumber(words[3], 255);
    const auto ttl = ParseNumber(words[5], 255);
    if (!target || !hop || !type || !ttl) {
      return file_.BadLine(
          "the target, type, ttl or hop of a reply cannot be read");
    }
    Reply& reply = found_.reply;
    reply = {};
    reply.probe.target = *target;
    reply.probe.ttl = Ttl(static_cast<uint8_t>(*ttl));
    reply.responder = *hop;
    reply.icmp_type = static_cast<uint8_t>(*type);
    ReadRest(words);
    return sink_.Take(found_);
  }

  // What is not needed to know the hop, and is left at its default where it
  // cannot be read.
  void ReadRest(const std::vector<std::string_view>& words) {
    Reply& reply = found_.reply;
    const auto number = [&words](size_t i, uint64_t max) {
      return ParseNumber(words[i], max);
    };
    reply.icmp_code = static_cast<uint8_t>(number(4, 255).value_or(0));
    reply.arrival_ttl = Ttl(static_cast<uint8_t>(number(11, 255).value_or(0)));
    reply.received =
        Instant(std::chrono::seconds(number(1, 0xffffffff).value_or(0)) +
                std::chrono::microseconds(number(2, 999'999).value_or(0)));
    if (const auto rtt = number(7, 0xffffffff)) {
      reply.rtt = rtt_unit_ * static_cast<int64_t>(*rtt);
    }
    reply.quoted_ttl = Ttl(QuotesProbe(reply) ? 1 : 0);
    reply.kind = KindOf(reply, found_.method);
    if (words.size() == kFields && words[13] != "0") ReadLabels(words[13]);
  }

  void ReadLabels(std::string_view text) {
    std::vector<FoundLabel> labels;
    while (!text.empty()) {
      const std::string_view label = text.substr(0, text.find(','));
      text.remove_prefix(std::min(label.size() + 1, text.size()));
      const size_t colon = std::min(label.find(':'), label.size());
      const auto number = ParseNumber(label.substr(0, colon), 0xfffff);
      const auto ttl =
          ParseNumber(label.substr(std::min(colon + 1, label.size())), 255);
      if (!number || !ttl) return;
      labels.push_back({.label = static_cast<uint32_t>(*number),
                        .ttl = static_cast<uint8_t>(*ttl)});
    }
    // yarrp reads on until the bottom.
    if (!labels.empty()) labels.back().bottom = true;
    objects_.clear();
    AppendLabels(labels, objects_);
    found_.reply.extensions.bytes = objects_;
  }

  FoundFile& file_;
  ReplySink& sink_;
  Nanos rtt_unit_ = std::chrono::microseconds(1);
  FoundReply found_;
  std::vector<std::byte> objects_;
};

absl::Status Read(FoundFile& file, ReplySink& sink) {
  return YarrpReader(file, sink).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  if (head.starts_with("# ") &&
      (head.find("# yarrp") != head.npos ||
       head.find("# Output_Fields: target sec usec") != head.npos ||
       head.find("# Trace_Type: ") != head.npos)) {
    return true;
  }
  const auto words = Words(FirstLine(head));
  return (words.size() == kFields || words.size() == kFields - 1) &&
         IpAddress::Parse(words[0]) && IpAddress::Parse(words[6]);
}

const Register<FoundFormat> kYarrp({"yarrp", "yarrp's text", &Knows,
                                    &ReadHops<&Read>, &Read});

}  // namespace
}  // namespace fathom::found
