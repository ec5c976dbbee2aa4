#ifndef FATHOM_SRC_DATASET_FIELD_DATASET_H_
#define FATHOM_SRC_DATASET_FIELD_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/dataset.h"
#include "src/dataset/published_file.h"
#include "src/dataset/tables.h"

namespace fathom {

// What the formats of the field share: formats that others defined for their
// tools, each of which holds hops or links in one file. A format says what it
// writes; the file, the families and the order are seen to here.

// A format. One thread; one file each.
class FieldFormat {
 public:
  virtual ~FieldFormat() = default;

  virtual void Begin(PublishedFile& /*out*/) {}
  // What the format does not hold is passed over by default, whatever table was
  // asked for. In the order of the tables. Times and round-trip times are those
  // of the row, rounded as FORMAT.md says. Fails on what the format cannot say.
  virtual absl::Status Take(const Reply& reply, const HopRow& row,
                            PublishedFile& out);
  // Links without a gap only.
  virtual absl::Status Take(const Link& link, const LinkRow& row,
                            PublishedFile& out);
  virtual absl::Status End(PublishedFile& out) = 0;
};

// Writes options.table to options.path, or to standard output if that is "-".
absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateFieldDataset(
    const FormatOptions& options, std::unique_ptr<FieldFormat> format);

// How a dataset was probed, as far as its manifest tells. ICMP if it does not.
struct ProbeShape {
  enum class Method : uint8_t { kIcmp, kUdp, kTcpAck, kTcpSyn };

  Method method = Method::kIcmp;
  uint16_t target_port = 0;  // 0 for ICMP.
  uint32_t start = 0;        // Seconds since 1970; 0 is unknown.
  std::string vantage{};

  // As in the header of IPv4 or IPv6.
  uint8_t Protocol(Family family) const;
};
ProbeShape ShapeOf(const std::string& manifest);

// Formats tell the paths to one target apart by source ports. Ours do not
// follow from the flow alone, and are in no dataset, so that the field's usual
// first port and the flow stand for them.
inline constexpr uint16_t kFirstFieldPort = 24'000;
inline uint16_t FieldPort(FlowId flow) {
  return static_cast<uint16_t>(kFirstFieldPort + flow.value());
}

// The ends of links, each once. Takes 16 bytes a node, and for a while twice
// that.
class NodeSet {
 public:
  void Add(const IpAddress& address) {
    nodes_.push_back(address);
    if (nodes_.size() >= merge_at_) Merge();
  }

  // Ascending.
  const std::vector<IpAddress>& Sorted() {
    Merge();
    return nodes_;
  }

 private:
  void Merge();

  std::vector<IpAddress> nodes_;
  size_t merge_at_ = 1 << 16;
};

// Text that must stand behind what is not yet known: kept in a file without a
// name, beside the output, so that memory stays bounded.
class Backlog {
 public:
  // For output to `path`.
  static absl::StatusOr<std::unique_ptr<Backlog>> Create(
      const std::string& path);

  void Put(std::string_view text);

  // Puts all of it into `out`. Once, at the end.
  absl::Status MoveTo(PublishedFile& out);

 private:
  explicit Backlog(UniqueFd fd) : fd_(std::move(fd)) {}

  void Flush();

  UniqueFd fd_;
  std::string gathered_;
  absl::Status state_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_FIELD_DATASET_H_
