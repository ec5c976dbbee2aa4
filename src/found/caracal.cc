#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// The CSV of caracal, which is also that of Iris: 17 columns, a line a reply.
// A flow is the protocol and the two ports of the probe. Addresses are IPv6
// text, IPv4 in its mapped form.
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
  kProtocol = 1,
  kTarget = 3,
  kSourcePort = 4,
  kTargetPort = 5,
  kTtl = 6,
  kResponder = 8,
  kIcmpType = 10,
};

absl::Status ReadReply(const FoundFile& file,
                       const std::vector<std::string_view>& row,
                       Findings& findings) {
  auto target = IpAddress::Parse(row[kTarget]);
  const auto responder = IpAddress::Parse(row[kResponder]);
  const auto type = ParseNumber(row[kIcmpType], 255);
  const auto ttl = ParseNumber(row[kTtl], 255);
  const auto protocol = ParseNumber(row[kProtocol], 255);
  const auto source_port = ParseNumber(row[kSourcePort], 0xffff);
  const auto target_port = ParseNumber(row[kTargetPort], 0xffff);
  if (!target || !responder || !type || !ttl || !protocol || !source_port ||
      !target_port) {
    return file.BadLine(
        "the addresses, ports, protocol, ICMP type or probe_ttl of a reply "
        "cannot be read");
  }
  if (*target == IpAddress()) target = responder;
  const uint64_t flow =
      Mix(*protocol << 32 | *source_port << 16 | *target_port);
  findings.AddHop(*target, static_cast<uint32_t>(flow),
                  static_cast<unsigned>(*ttl), *responder,
                  KindOf(static_cast<unsigned>(*type), *responder, *target));
  return absl::OkStatus();
}

absl::Status Read(FoundFile& file, Findings& findings) {
  std::string_view line;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const bool any, file.NextText(&line));
    if (!any) return absl::OkStatus();
    if (line.starts_with(kHeader.substr(0, 18))) continue;
    const auto row = Fields(line);
    if (row.size() != kFields) {
      return file.BadLine(absl::StrCat(
          row.size(),
          " fields where caracal writes 17; if it was cut short while it "
          "wrote, remove this line"));
    }
    FATHOM_RETURN_IF_ERROR(ReadReply(file, row, findings));
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return FirstLine(head) == kHeader;
}

const Register<FoundFormat> kCaracal({"caracal", "the CSV of caracal and Iris",
                                      &Knows, &Read});

}  // namespace
}  // namespace fathom::found
