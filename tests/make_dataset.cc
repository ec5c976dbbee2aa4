// Writes a made-up dataset in every format, to be compared by others:
//
//   make_dataset DIRECTORY SEED TARGETS FAMILY
//
// makes DIRECTORY/scan and, with the same rows, DIRECTORY/<table>.csv. FAMILY
// is 4 or 6.

#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/dataset/tables.h"

namespace fathom {
namespace {

// Any address of the family.
IpAddress Wild(Family family, uint64_t luck) {
  if (family == Family::kIpv4)
    return IpAddress::V4(static_cast<uint32_t>(luck));
  return IpAddress::V6(Mix(luck), luck);
}

// The synthetic scan is too tame: it has no value at the end of its range.
void MakeWild(uint64_t seed, std::vector<Reply>* replies) {
  for (size_t i = 0; i < replies->size(); ++i) {
    const uint64_t luck = Derive(seed, i);
    if (luck % 16 != 0) continue;
    Reply& reply = (*replies)[i];
    reply.kind = static_cast<ReplyKind>(luck >> 8 & 3);
    reply.icmp_type = static_cast<uint8_t>(luck >> 16);
    reply.icmp_code = static_cast<uint8_t>(luck >> 24);
    reply.arrival_ttl = Ttl(static_cast<uint8_t>(luck >> 32));
    reply.quoted_ttl = Ttl(static_cast<uint8_t>(luck >> 40));
    reply.responder = Wild(FamilyOf(reply), luck >> 16);
    reply.tcp_flags = static_cast<uint8_t>(luck >> 48);
    reply.quoted_tos = static_cast<uint8_t>(luck >> 56);
    reply.changes = static_cast<uint8_t>(luck >> 4 & 3);
    reply.rtt = (luck >> 48 & 1) != 0
                    ? kUnknownRtt
                    : std::chrono::microseconds(luck >> 24 & 0xff'ffff);
    reply.received =
        Instant(std::chrono::seconds(static_cast<uint32_t>(luck >> 30)));
  }
}

void MakeWild(uint64_t seed, std::vector<Link>* links) {
  for (size_t i = 0; i < links->size(); ++i) {
    const uint64_t luck = Derive(seed, i);
    Link& link = (*links)[i];
    link.flags |= static_cast<uint8_t>(luck);
    if (luck >> 8 & 1) link.target = Wild(FamilyOf(link), luck >> 32);
    if (luck >> 9 & 1) link.paths = Mix(luck) >> (luck >> 58);
  }
}

absl::Status Write(const char* format, const FormatOptions& options,
                   std::span<const Reply> replies, std::span<const Link> links,
                   uint64_t seed) {
  FATHOM_ASSIGN_OR_RETURN(const auto module,
                          Register<FormatModule>::Find(format));
  FATHOM_ASSIGN_OR_RETURN(const auto writer, module.create(options));
  FATHOM_RETURN_IF_ERROR(writer->WriteReplies(replies));
  FATHOM_RETURN_IF_ERROR(writer->WriteLinks(links));
  return writer->Finish(
      absl::StrCat("{\"tool\": \"make_dataset\", \"seed\": ", seed, "}\n"));
}

absl::Status Run(const std::string& directory, uint64_t seed, uint32_t targets,
                 Family family) {
  std::vector<Reply> replies = SyntheticScan(seed, family).Hops(0, targets);
  std::vector<Link> links = SyntheticScan::Links(replies);
  MakeWild(seed, &replies);
  MakeWild(seed + 1, &links);
  FATHOM_RETURN_IF_ERROR(
      Write("parquet", {.path = directory + "/scan"}, replies, links, seed));
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    const std::string path =
        directory + "/" + kTableNames[static_cast<int>(table)] + ".csv";
    FATHOM_RETURN_IF_ERROR(
        Write("csv", {.path = path, .table = table}, replies, links, seed));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: make_dataset DIRECTORY SEED TARGETS FAMILY\n";
    return 2;
  }
  const absl::Status status = fathom::Run(
      argv[1], std::strtoull(argv[2], nullptr, 10),
      static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)),
      argv[4][0] == '6' ? fathom::Family::kIpv6 : fathom::Family::kIpv4);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
