#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"
#include "src/net/icmp_extensions.h"

// Traceroutes as RIPE Atlas writes them: a JSON object a line for each target
// and flow, which is its paris_id. Times are those of the trace, not of its
// replies. TTLs without an answer between two with one say "x": whether they
// were probed is in no dataset, but who reads on would take the two for
// neighbours. What an Atlas probe knows and a dataset does not (its own number
// and addresses, sizes of packets) is left out.
//
// Memory: the text of one trace.

namespace fathom {
namespace {

constexpr size_t kRttColumn = 12;

// What Atlas calls a refusal; empty if it has no letter for it.
std::string ErrorOf(const Reply& reply) {
  const bool v6 = FamilyOf(reply) == Family::kIpv6;
  const auto number = absl::StrCat(int{reply.icmp_code});
  if (v6) {
    constexpr const char* kLetters[] = {"\"N\"", "\"A\"", "\"h\"", "\"H\"",
                                        "\"p\""};
    return reply.icmp_code < std::size(kLetters) ? kLetters[reply.icmp_code]
                                                 : number;
  }
  constexpr const char* kLetters[] = {"\"N\"", "\"H\"", "\"P\"", "\"p\""};
  if (reply.icmp_code == 13) return "\"A\"";
  return reply.icmp_code < std::size(kLetters) ? kLetters[reply.icmp_code]
                                               : number;
}

bool IsUnreachable(const Reply& reply) {
  const uint8_t type = FamilyOf(reply) == Family::kIpv6 ? 1 : 3;
  return reply.tcp_flags == 0 && reply.icmp_type == type;
}

// "SA" and the like.
std::string FlagsOf(uint8_t flags) {
  constexpr char kLetters[] = {'F', 'S', 'R', 'P', 'A', 'U'};
  std::string text;
  for (size_t bit = 0; bit < std::size(kLetters); ++bit) {
    if ((flags >> bit & 1) != 0) text += kLetters[bit];
  }
  return text;
}

void AppendExtensions(std::span<const std::byte> bytes, std::string& text) {
  text += ",\"icmpext\":{\"version\":2,\"obj\":[";
  const char* next = "";
  for (const ExtensionObject& object : ObjectsOf(bytes)) {
    absl::StrAppend(&text, next, "{\"class\":", int{object.object_class},
                    ",\"type\":", int{object.object_type});
    next = ",";
    // The object with its header, four bytes before the payload.
    const auto labels =
        MplsStackOf({object.payload.data() - 4, object.payload.size() + 4});
    const char* separator = ",\"mpls\":[";
    for (const MplsLabel& label : labels) {
      absl::StrAppend(&text, separator, "{\"exp\":", int{label.traffic_class},
                      ",\"label\":", label.label,
                      ",\"s\":", label.bottom ? 1 : 0,
                      ",\"ttl\":", int{label.ttl}, "}");
      separator = ",";
    }
    text += labels.empty() ? "}" : "]}";
  }
  text += "]}";
}

class Atlas final : public FieldFormat {
 public:
  explicit Atlas(const ProbeShape& shape) : shape_(shape) {}

  absl::Status Take(const Reply& reply, const HopRow& row,
                    PublishedFile& out) override {
    if (!hops_.empty() && (reply.probe.target != probe_.target ||
                           reply.probe.flow != probe_.flow)) {
      PutTrace(out);
    }
    const auto time = static_cast<uint32_t>(row[13]);
    if (hops_.empty()) {
      first_ = last_ = time;
    } else if (reply.probe.ttl != probe_.ttl) {
      CloseHop(reply.probe.ttl.value());
    }
    if (hops_.empty() || reply.probe.ttl != probe_.ttl) {
      absl::StrAppend(&hops_, hops_.empty() ? "" : ",",
                      "{\"hop\":", int{reply.probe.ttl.value()},
                      ",\"result\":[");
    } else {
      hops_ += ',';
    }
    probe_ = reply.probe;
    first_ = std::min(first_, time);
    last_ = std::max(last_, time);
    AppendReply(reply, row);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    if (!hops_.empty()) PutTrace(out);
    return absl::OkStatus();
  }

 private:
  // Ends the hop that stands last, and says that those up to `next` were
  // silent.
  void CloseHop(int next) {
    hops_ += "]}";
    for (int ttl = probe_.ttl.value() + 1; ttl < next; ++ttl) {
      absl::StrAppend(&hops_, ",{\"hop\":", ttl,
                      ",\"result\":[{\"x\":\"*\"}]}");
    }
  }

  void AppendReply(const Reply& reply, const HopRow& row) {
    absl::StrAppend(&hops_, "{\"from\":\"", reply.responder.ToString(), "\"");
    if (IsUnreachable(reply)) {
      absl::StrAppend(&hops_, ",\"err\":", ErrorOf(reply));
    } else if (reply.tcp_flags != 0) {
      absl::StrAppend(&hops_, ",\"flags\":\"", FlagsOf(reply.tcp_flags), "\"");
    }
    // Our own word: Atlas has none for an answer from another address.
    if (reply.kind == ReplyKind::kAlias) hops_ += ",\"kind\":\"alias\"";
    const bool quotes =
        reply.kind != ReplyKind::kDestination || IsUnreachable(reply);
    if (reply.quoted_ttl != Ttl(quotes ? 1 : 0)) {
      absl::StrAppend(&hops_, ",\"ittl\":", int{reply.quoted_ttl.value()});
    }
    const uint64_t rtt = row[kRttColumn];
    if (rtt != kRttUnknown) {
      absl::StrAppend(&hops_, ",\"rtt\":", rtt / 10, ".", rtt % 10);
    }
    absl::StrAppend(&hops_, ",\"ttl\":", int{reply.arrival_ttl.value()});
    if (!reply.extensions.bytes.empty()) {
      AppendExtensions(reply.extensions.bytes, hops_);
    }
    hops_ += '}';
  }

  void PutTrace(PublishedFile& out) {
    const Family family = probe_.target.family();
    const char* const protocol =
        shape_.method == ProbeShape::Method::kIcmp  ? "ICMP"
        : shape_.method == ProbeShape::Method::kUdp ? "UDP"
                                                    : "TCP";
    const std::string target = probe_.target.ToString();
    out.Put(absl::StrCat(
        "{\"type\":\"traceroute\",\"af\":", family == Family::kIpv4 ? 4 : 6,
        ",\"dst_addr\":\"", target, "\",\"dst_name\":\"", target,
        "\",\"proto\":\"", protocol, "\",\"paris_id\":", probe_.flow.value(),
        ",\"timestamp\":", first_, ",\"endtime\":", last_, ",\"result\":["));
    hops_ += "]}";
    out.Put(hops_);
    out.Put("]}\n");
    hops_.clear();
  }

  const ProbeShape shape_;
  Probe probe_;  // Of the last reply.
  uint32_t first_ = 0, last_ = 0;
  std::string hops_;  // Of the trace so far; the last is still open.
};

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(options,
                            std::make_unique<Atlas>(ShapeOf(options.manifest)));
}

const Register<FormatModule> kAtlas({"atlas", "hops, as RIPE Atlas's JSON",
                                     &Create, Table::kHops});

}  // namespace
}  // namespace fathom
