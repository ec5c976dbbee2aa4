#ifndef FATHOM_SRC_FOUND_REPLIES_H_
#define FATHOM_SRC_FOUND_REPLIES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fathom/probe.h"
#include "src/found/found.h"

namespace fathom::found {

// Some formats keep whole replies, with times, TTLs and labels, so that they
// can be made into datasets and not only scored. Their readers hand each reply
// to a ReplySink; that is the one parser of the format, and `lab score` hears
// it through ReadAsFindings().

enum class ProbeMethod : uint8_t { kIcmp, kUdp, kTcp };

// A reply as a result holds it. What the format lacks is as Reply's defaults.
struct FoundReply {
  Reply reply{};      // All but the flow. Extensions are lent for the call.
  uint32_t path = 0;  // What the paths to one target are told apart by in
                      // scoring: each trace of its own.
  // What tells flows apart: equal keys are one flow. Within a result of one
  // prober the number follows from the key.
  uint64_t flow_key = 0;
  uint16_t flow = 0;
  ProbeMethod method = ProbeMethod::kIcmp;
};

class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // Not OK ends the reading.
  virtual absl::Status Take(const FoundReply& found) = 0;

  // The result ends within a record, as if its writer had been killed: all
  // before was handed over. OK if that is enough.
  virtual absl::Status CutShort(const absl::Status& what) { return what; }

  // Something that no dataset can hold was passed over.
  virtual void PassOver() {}
};

using ReadReplies = absl::Status (*)(FoundFile& file, ReplySink& sink);

absl::Status ReadAsFindings(ReadReplies read, FoundFile& file,
                            Findings& findings);

// For FoundFormat::read.
template <ReadReplies kRead>
absl::Status ReadHops(FoundFile& file, Findings& findings) {
  return ReadAsFindings(kRead, file, findings);
}

// For a line that cannot be read: if it is the last, the file was cut short.
absl::Status LineCutShort(FoundFile& file, ReplySink& sink,
                          const absl::Status& what);

// What the answer means, by its target, responder and type and code of ICMP or
// ICMPv6, as our own codecs have it. REQUIRES: it is answered by ICMP if
// tcp_flags is 0.
ReplyKind KindOf(const Reply& reply, ProbeMethod method);

// Whether a message of this type and code quotes the probe.
bool QuotesProbe(const Reply& reply);

// The object that holds a stack of labels (RFC 4950).
struct FoundLabel {
  uint32_t label = 0;
  uint8_t traffic_class = 0;
  bool bottom = false;
  uint8_t ttl = 0;
};
void AppendLabels(const std::vector<FoundLabel>& labels,
                  std::vector<std::byte>& objects);

// Ports of the field's probers count flows from here.
inline constexpr uint16_t kFirstFieldPort = 24'000;

// The flow of a source and two ports: its number is how far the source port is
// from the first.
void SetFlow(const IpAddress& source, uint16_t source_port,
             uint16_t target_port, FoundReply& found);

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_REPLIES_H_
