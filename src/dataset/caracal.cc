#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/field_dataset.h"
#include "src/net/icmp_extensions.h"

// The CSV that caracal writes and Iris reads: a line a reply. Addresses are
// IPv6 text, IPv4 in its mapped form; times are seconds, round-trip times units
// of 0.1 ms. Our own address is not known and written as "::", the size of the
// reply as 0, and all replies are of round 1.

namespace fathom {
namespace {

constexpr char kHeader[] =
    "capture_timestamp,probe_protocol,probe_src_addr,probe_dst_addr,"
    "probe_src_port,probe_dst_port,probe_ttl,quoted_ttl,reply_src_addr,"
    "reply_protocol,reply_icmp_type,reply_icmp_code,reply_ttl,reply_size,"
    "reply_mpls_labels,rtt,round\n";
constexpr int kTcp = 6;

std::string SpellAddress(const IpAddress& address) {
  return absl::StrCat(address.family() == Family::kIpv4 ? "::ffff:" : "",
                      address.ToString());
}

class Caracal final : public FieldFormat {
 public:
  explicit Caracal(const ProbeShape& shape) : shape_(shape) {}

  void Begin(PublishedFile& out) override { out.Put(kHeader); }

  absl::Status Take(const Reply& reply, const HopRow& row,
                    PublishedFile& out) override {
    const Family family = FamilyOf(reply);
    const int icmp = family == Family::kIpv4 ? 1 : 58;
    line_.clear();
    absl::StrAppend(&line_, row[13], ",", int{shape_.Protocol(family)}, ",::,",
                    SpellAddress(reply.probe.target), ",",
                    FieldPort(reply.probe.flow), ",", shape_.target_port, ",",
                    row[2], ",", row[9], ",");
    absl::StrAppend(&line_, SpellAddress(reply.responder), ",",
                    reply.tcp_flags != 0 ? kTcp : icmp, ",", row[5], ",",
                    row[6], ",", row[8], ",0,\"[");
    const char* separator = "";
    for (const MplsLabel& label : MplsStackOf(reply.extensions.bytes)) {
      absl::StrAppend(&line_, separator, "(", label.label, ",",
                      int{label.traffic_class}, ",", label.bottom ? 1 : 0, ",",
                      int{label.ttl}, ")");
      separator = ",";
    }
    absl::StrAppend(&line_, "]\",", row[12], ",1\n");
    out.Put(line_);
    return absl::OkStatus();
  }

  absl::Status End(PublishedFile& /*out*/) override { return absl::OkStatus(); }

 private:
  const ProbeShape shape_;
  std::string line_;
};

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateFieldDataset(
      options, std::make_unique<Caracal>(ShapeOf(options.manifest)));
}

const Register<FormatModule> kCaracal({"caracal", "hops, as caracal's CSV",
                                       &Create, Table::kHops});

}  // namespace
}  // namespace fathom
