#include "src/found/replies.h"

#include "src/base/bytes.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/found/found_file.h"

namespace fathom::found {
namespace {

// Hops are all that is scored.
class HopSink final : public ReplySink {
 public:
  explicit HopSink(Findings& findings) : findings_(findings) {}

  absl::Status Take(const FoundReply& found) override {
    const Reply& reply = found.reply;
    findings_.AddHop(reply.probe.target, found.path, reply.probe.ttl.value(),
                     reply.responder, reply.kind);
    return absl::OkStatus();
  }

 private:
  Findings& findings_;
};

bool IsV6(const Reply& reply) {
  return reply.responder.family() == Family::kIpv6;
}

}  // namespace

absl::Status ReadAsFindings(ReadReplies read, FoundFile& file,
                            Findings& findings) {
  HopSink sink(findings);
  return read(file, sink);
}

absl::Status LineCutShort(FoundFile& file, ReplySink& sink,
                          const absl::Status& what) {
  FATHOM_ASSIGN_OR_RETURN(const std::string_view more, file.Peek(1));
  return more.empty() ? sink.CutShort(what) : what;
}

ReplyKind KindOf(const Reply& reply, ProbeMethod method) {
  const bool v6 = IsV6(reply);
  const bool icmp = reply.tcp_flags == 0;
  if (icmp && reply.icmp_type == (v6 ? 3 : 11)) return ReplyKind::kHop;
  if (reply.responder == reply.probe.target) return ReplyKind::kDestination;
  if (!icmp || reply.icmp_type != (v6 ? 1 : 3)) return ReplyKind::kAlias;
  // Only hosts refuse a port.
  const bool hosts =
      v6 ? reply.icmp_code == 4 : reply.icmp_code == 2 || reply.icmp_code == 3;
  return hosts && method != ProbeMethod::kIcmp ? ReplyKind::kAlias
                                               : ReplyKind::kUnreachable;
}

bool QuotesProbe(const Reply& reply) {
  if (reply.tcp_flags != 0) return false;
  const uint8_t type = reply.icmp_type;
  return IsV6(reply) ? type >= 1 && type <= 4
                     : type == 3 || type == 11 || type == 12;
}

void AppendLabels(const std::vector<FoundLabel>& labels,
                  std::vector<std::byte>& objects) {
  constexpr size_t kWord = 4;
  const size_t size = kWord * (labels.size() + 1);
  if (labels.empty() || objects.size() + size > kMaxExtensions) return;
  const auto put = [&objects](uint32_t word) {
    objects.resize(objects.size() + kWord);
    Store(Be32(word), std::span(objects).last(kWord));
  };
  put(static_cast<uint32_t>(size) << 16 | 0x0101);
  for (const FoundLabel& label : labels) {
    put((label.label & 0xfffff) << 12 | (label.traffic_class & 7U) << 9 |
        (label.bottom ? 0x100U : 0U) | label.ttl);
  }
}

void SetFlow(const IpAddress& source, uint16_t source_port,
             uint16_t target_port, FoundReply& found) {
  found.flow_key = Mix(Mix(source.high()) ^ source.low()) ^
                   Mix(uint64_t{static_cast<uint8_t>(found.method)} << 32 |
                       uint64_t{source_port} << 16 | target_port);
  found.flow = static_cast<uint16_t>(source_port - kFirstFieldPort);
}

}  // namespace fathom::found
