// Writes a made-up dataset with as many links as wanted, to time queries on:
//
//   make_links DIRECTORY LINKS
//
// A quarter as many routers as links; most lead to one or two, few to hundreds,
// as the lab's do. Beside them about as many hops, of a synthetic scan whose
// paths have nothing to do with the links: queries take no less time for that.
// Rows are made as they are written, so memory does not grow with them.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/synthetic_scan.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

constexpr uint64_t kSeed = 7;
// Where addresses of routers lie: 1.0.0.0 to 223.255.255.255.
constexpr uint64_t kFirst = 0x01000000;
constexpr uint64_t kSpan = 0xdf000000;

// The address of router `index` of `routers`, ascending.
IpAddress RouterAddress(uint64_t index, uint64_t routers) {
  const uint64_t step = kSpan / routers;
  const uint64_t offset = index * step + Derive(kSeed, index) % step;
  return IpAddress::V4(static_cast<uint32_t>(kFirst + offset));
}

// Of a Pareto distribution with mean 4: half lead to one or two.
size_t DegreeOf(uint64_t index) {
  const uint64_t luck = Derive(kSeed + 1, index) % 1'000'000 + 1;
  const double degree = 1.33 / std::pow(static_cast<double>(luck) / 1e6, 0.667);
  return static_cast<size_t>(std::min(degree, 2000.0)) + 1;
}

// The links that lead on from a router. Most go to a neighbour in address
// space, as networks number their routers.
std::vector<Link> LinksOf(uint64_t index, uint64_t routers) {
  std::vector<uint64_t> next;
  const size_t degree = DegreeOf(index);
  for (size_t i = 0; i < degree; ++i) {
    const uint64_t luck = Derive(kSeed + 2, index << 12 | i);
    next.push_back(luck % 4 != 0 ? (index + 1 + (luck >> 8) % 64) % routers
                                 : (luck >> 8) % routers);
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  std::vector<Link> links;
  for (const uint64_t far : next) {
    if (far == index) continue;
    const uint64_t luck = Derive(kSeed + 3, index << 20 ^ far);
    const Instant seen(std::chrono::seconds(1'700'000'000 + luck % 86'400));
    links.push_back(
        {.near = RouterAddress(index, routers),
         .far = RouterAddress(far, routers),
         .target = IpAddress::V4(
             static_cast<uint32_t>(kFirst + (luck >> 20) % kSpan)),
         .paths = 1 + (luck % 8 == 0 ? (luck >> 8) % 1000 : 0),
         .first_seen = seen,
         .last_seen = seen + std::chrono::seconds(luck % 60),
         .min_ttl = Ttl(static_cast<uint8_t>(3 + luck % 20)),
         .flags = static_cast<uint8_t>(luck % 50 == 0   ? kLinkUnsteady
                                       : luck % 9 == 0  ? kLinkInTunnel
                                       : luck % 97 == 0 ? kLinkAcrossTunnel
                                                        : 0)});
  }
  return links;
}

absl::Status WriteLinks(uint64_t count, DatasetWriter& writer) {
  const uint64_t routers = std::max<uint64_t>(count / 4, 100);
  std::vector<Link> batch;
  uint64_t written = 0;
  for (uint64_t i = 0; i < routers && written < count; ++i) {
    for (const Link& link : LinksOf(i, routers)) {
      if (written == count) break;
      batch.push_back(link);
      ++written;
    }
    if (batch.size() < 4096 && i + 1 < routers && written < count) continue;
    FATHOM_RETURN_IF_ERROR(writer.WriteLinks(batch));
    batch.clear();
  }
  return absl::OkStatus();
}

absl::Status WriteHops(uint64_t count, DatasetWriter& writer) {
  const SyntheticScan scan(kSeed);
  uint64_t written = 0;
  for (uint32_t first = 0; written < count; first += 4096) {
    const std::vector<Reply> hops = scan.Hops(first, 4096);
    FATHOM_RETURN_IF_ERROR(writer.WriteReplies(hops));
    written += hops.size();
  }
  return absl::OkStatus();
}

absl::Status Run(const std::string& path, uint64_t count) {
  FATHOM_ASSIGN_OR_RETURN(const auto module,
                          Register<FormatModule>::Find("parquet"));
  FATHOM_ASSIGN_OR_RETURN(const auto writer, module.create({.path = path}));
  FATHOM_RETURN_IF_ERROR(WriteLinks(count, *writer));
  FATHOM_RETURN_IF_ERROR(WriteHops(count, *writer));
  // Unlike any other dataset of this size.
  return writer->Finish(
      absl::StrCat("{\"tool\": \"make_links\", \"path\": \"", path, "\"}\n"));
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: make_links DIRECTORY LINKS\n";
    return 2;
  }
  const absl::Status status =
      fathom::Run(argv[1], std::strtoull(argv[2], nullptr, 10));
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
