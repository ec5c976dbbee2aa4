#ifndef FATHOM_DATASET_H_
#define FATHOM_DATASET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom {

// Datasets are what a scan leaves behind: hops as heard, links as inferred.
// Columns, units and precision are in src/dataset/FORMAT.md.
//
// To add a format, write src/dataset/<name>.cc and register it in its last
// line. A format only spells what FORMAT.md means.

// What a link rests on. A doubt stays only while every path that showed the
// link has it; the plain facts stay once one path showed them.
enum LinkFlags : uint8_t {
  kLinkToDestination = 1,   // Fact: `far` answered as the target of its probe.
  kLinkUnreachable = 2,     // Doubt: `far` refused to forward; it may be the
                            // router at `near` under another address.
  kLinkInLoop = 4,          // Doubt: further on, the path came back on itself.
  kLinkWideInterval = 8,    // Doubt: the two probes were far apart in time.
  kLinkUnsteady = 16,       // Doubt: near by, several routers answered what one
                            // should have: a per-packet balancer, or a change.
  kLinkUnverified = 32,     // Doubt: a second look did not confirm it. Set only
                            // in scans that took one (--verify).
  kLinkInTunnel = 64,       // Fact: the link is one of an MPLS tunnel.
  kLinkAcrossTunnel = 128,  // Doubt: a tunnel whose routers do not show may lie
                            // between the two.
};
inline constexpr uint8_t kLinkDoubts = kLinkUnreachable | kLinkInLoop |
                                       kLinkWideInterval | kLinkUnsteady |
                                       kLinkUnverified | kLinkAcrossTunnel;

// Two routers met at distances ttl and ttl + 1 + gap on one path. Only a link
// with no gap is asserted; the others say that something silent lies between.
struct Link {
  IpAddress near{};
  IpAddress far{};
  IpAddress target{};    // One path that showed the link: the lowest target.
  uint64_t paths = 1;    // How many (target, flow) pairs showed it.
  Instant first_seen{};  // The earlier reply of a pair, over all paths.
  Instant last_seen{};   // The later reply of a pair, over all paths.
  Ttl min_ttl{};         // The least distance at which `near` was seen.
  uint8_t gap = 0;       // Silent hops between; 0 for neighbours.
  uint8_t flags = 0;     // LinkFlags.
  uint16_t scan = 0;     // Which scan saw it so, in tables that tell.

  friend bool operator==(const Link&, const Link&) = default;
};

// The tables of a dataset.
enum class Table : uint8_t { kLinks, kGaps, kHops, kLinkScans, kGapScans };
inline constexpr const char* kTableNames[] = {"links", "gaps", "hops",
                                              "link_scans", "gap_scans"};
inline constexpr Table kTables[] = {Table::kLinks, Table::kGaps, Table::kHops};
// Only in datasets of several scans, as merging makes them. There each hop has
// the number of its scan, and these two tables say what each scan saw.
inline constexpr Table kScanTables[] = {Table::kLinkScans, Table::kGapScans};

class DatasetWriter {
 public:
  virtual ~DatasetWriter() = default;

  // REQUIRES, over all calls: order by (target, flow, ttl).
  virtual absl::Status WriteReplies(std::span<const Reply> replies) = 0;

  // Links without a gap go to Table::kLinks, others to Table::kGaps.
  // REQUIRES, over all calls: order by (near, far, gap), each once.
  virtual absl::Status WriteLinks(std::span<const Link> links) = 0;

  // For FormatOptions::several_scans: WriteReplies() with the number of its
  // scan for each reply. Formats that have no place for it leave it out.
  virtual absl::Status WriteScanReplies(std::span<const Reply> replies,
                                        std::span<const uint16_t> /*scans*/) {
    return WriteReplies(replies);
  }

  // Likewise: what each scan saw of each link, to kLinkScans and kGapScans.
  // REQUIRES, over all calls: order by (near, far, gap, scan), each once.
  virtual absl::Status WriteScanLinks(std::span<const Link> /*links*/) {
    return absl::OkStatus();
  }

  // Makes the dataset durable and visible, all at once, with `manifest`, a
  // JSON object, beside it. A writer destroyed before this leaves nothing
  // behind.
  virtual absl::Status Finish(const std::string& manifest) = 0;
};

// Reads a dataset in batches. One thread.
class DatasetReader {
 public:
  virtual ~DatasetReader() = default;

  // The manifest, a JSON object.
  virtual const std::string& manifest() const = 0;

  // The next rows of the table, in order; empty at the end. Valid until the
  // next call. Errors name the file and what is wrong in it.
  virtual absl::StatusOr<std::span<const Reply>> NextReplies() = 0;
  // Links first, then gaps.
  virtual absl::StatusOr<std::span<const Link>> NextLinks() = 0;

  // Whether the dataset is of several scans. Only then there is more to read:
  // the number of the scan of each reply that NextReplies() returned last, and
  // what each scan saw of the links, links first, then gaps.
  virtual bool several_scans() const { return false; }
  virtual std::span<const uint16_t> reply_scans() const { return {}; }
  virtual absl::StatusOr<std::span<const Link>> NextScanLinks() {
    return std::span<const Link>();
  }
};

// Opens the dataset directory `path`.
absl::StatusOr<std::unique_ptr<DatasetReader>> OpenDataset(
    const std::string& path);

// How a table that is no text has addresses, for readers that cannot handle
// what a dataset has.
enum class AddressForm : uint8_t {
  kNative,  // IPv4 as numbers, IPv6 as 16 bytes.
  kText,    // Strings: dotted quads, or RFC 5952.
  kBinary,  // 16 bytes, IPv4 in its v4-mapped form.
};

struct FormatOptions {
  std::string path{};           // Where to write; text formats take "-" too.
  Table table = Table::kLinks;  // For formats that hold one table.
  bool several_scans = false;   // Whether rows tell of which scan they are.
  // The manifest of the dataset that is converted, for formats that say how
  // was probed, or when; empty if there is none yet.
  std::string manifest{};
  // Only for formats with a choice. Other than kNative, the output is for other
  // readers: OpenDataset() refuses it.
  AddressForm addresses = AddressForm::kNative;
};

struct FormatModule {
  const char* name;
  const char* help;
  absl::StatusOr<std::unique_ptr<DatasetWriter>> (*create)(
      const FormatOptions&);
  // The one table that the format can hold, if there is no choice.
  std::optional<Table> only{};
  // Whether it holds all tables at once.
  bool whole = false;
};

}  // namespace fathom

#endif  // FATHOM_DATASET_H_
