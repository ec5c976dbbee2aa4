#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"
#include "src/net/icmp_extensions.h"

// The text of yarrp (.yrp): a header of "# key: value", then a line a reply,
//
//   target sec usec type code ttl hop rtt ipid psize rsize rttl rtos mpls count
//
// Round-trip times are in microseconds, -1 where it is not known; what is in no
// dataset (usec, ipid, sizes, TOS of the reply) is 0. Labels are written with
// their TTLs, "0" is none. An answer by TCP has type and code 0.
//
// yarrp knows one flow a target, so a dataset with more of them is refused:
// what reads the file would take them for one path.

namespace fathom {
namespace {

const char* TypeName(const ProbeShape& shape, Family family) {
  const bool v6 = family == Family::kIpv6;
  switch (shape.method) {
    case ProbeShape::Method::kUdp:
      return v6 ? "UDP6" : "UDP";
    case ProbeShape::Method::kTcpAck:
      return v6 ? "TCP6_ACK" : "TCP_ACK";
    case ProbeShape::Method::kTcpSyn:
      return v6 ? "TCP6_SYN" : "TCP_SYN";
    case ProbeShape::Method::kIcmp:
      break;
  }
  return v6 ? "ICMP6" : "ICMP";
}

class Yarrp final : public FieldFormat {
 public:
  explicit Yarrp(const ProbeShape& shape) : shape_(shape) {}

  absl::Status Take(const Reply& reply, const HopRow& row,
                    PublishedFile& out) override {
    if (count_ == 0) PutHeader(FamilyOf(reply), out);
    const bool other = count_ > 0 && reply.probe.target == target_ &&
                       reply.probe.flow != flow_;
    if (other) {
      return absl::InvalidArgumentError(absl::StrCat(
          "yarrp's text has one flow a target, but ", target_.ToString(),
          " was probed in several; convert to caracal, atlas or warts"));
    }
    target_ = reply.probe.target;
    flow_ = reply.probe.flow;
    line_.clear();
    absl::StrAppend(&line_, target_.ToString(), " ", row[13], " 0 ", row[5],
                    " ", row[6], " ", row[2], " ", reply.responder.ToString(),
                    " ");
    if (row[12] == kRttUnknown) {
      line_.append("-1");
    } else {
      absl::StrAppend(&line_, row[12] * 100);
    }
    absl::StrAppend(&line_, " 0 0 0 ", row[8], " 0 ");
    const char* separator = "";
    for (const MplsLabel& label : MplsStackOf(reply.extensions.bytes)) {
      absl::StrAppend(&line_, separator, label.label, ":", int{label.ttl});
      separator = ",";
    }
    absl::StrAppend(&line_, *separator == '\0' ? "0" : "", " ", ++count_, "\n");
    out.Put(line_);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& out) override {
    if (count_ == 0) PutHeader(Family::kIpv4, out);
    out.Put(absl::StrCat("# Replies: ", count_, "\n"));
    return absl::OkStatus();
  }

 private:
  void PutHeader(Family family, PublishedFile& out) {
    out.Put(absl::StrCat(
        "# Program: fathom ", FATHOM_VERSION, "\n# RTT_Granularity: us\n",
        "# Trace_Type: ", TypeName(shape_, family),
        "\n# Dst_Port: ", shape_.target_port,
        "\n# Output_Fields: target sec usec type code ttl hop rtt ipid psize "
        "rsize rttl rtos mpls count\n"));
  }

  const ProbeShape shape_;
  uint64_t count_ = 0;
  IpAddress target_;  // Of the last reply.
  FlowId flow_;
  std::string line_;
};

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(options,
                            std::make_unique<Yarrp>(ShapeOf(options.manifest)));
}

const Register<FormatModule> kYarrp({"yarrp", "hops, as yarrp's text", &Create,
                                     Table::kHops});

}  // namespace
}  // namespace fathom
