#ifndef FATHOM_SRC_FOUND_FOUND_H_
#define FATHOM_SRC_FOUND_FOUND_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom::found {

// What any scanner found, whatever it wrote it in: links, and the interfaces
// that answered.
//
// Most formats hold hops: who answered a probe with this TTL to that target.
// From them links are read off as the field does it: the responders at two
// neighbouring TTLs of one (target, flow), if there is one responder at each.
// No more than that: what a result asserts is to be scored, not improved.
//
// Addresses are IPv4 numbers in host order, for density.
//
// To add a format, write src/found/<name>.cc with a function that reads a
// FoundFile into Findings, and one that knows a file of the format by how it
// begins; register both in its last line, and name the file in meson.build.
// tests/found_test.cc and tests/fuzz_found.cc run over all formats.

struct FoundHop {
  uint32_t target = 0;
  uint32_t flow = 0;  // What a format tells paths to one target apart by.
  uint8_t ttl = 0;
  uint32_t responder = 0;
  ReplyKind kind = ReplyKind::kHop;

  friend auto operator<=>(const FoundHop&, const FoundHop&) = default;
};

struct FoundLink {
  uint32_t near = 0;
  uint32_t far = 0;
  uint32_t target = 0;  // The lowest whose path showed it; 0 is unknown.
  uint8_t ttl = 0;      // Of `near`, the least; 0 is unknown.
  uint8_t flags = 0;    // LinkFlags, as far as the format has them.

  friend auto operator<=>(const FoundLink&, const FoundLink&) = default;
};

// A result as it is compared: everything once, ascending.
struct FoundTopology {
  std::string format;
  std::vector<FoundLink> links;  // By (near, far).
  std::vector<uint32_t> interfaces;
  uint64_t hops = 0;         // Read; 0 for formats that hold links.
  uint64_t ambiguous = 0;    // Cells of a path with several responders.
  uint64_t self_links = 0;   // Left out: an address and itself.
  uint64_t not_ipv4 = 0;     // Records left out.
  uint64_t no_distance = 0;  // Hops without a TTL: interfaces only.
};

// Collects what a reader reads. Takes 20 bytes a hop or link until Take();
// interfaces are merged as they come.
class Findings {
 public:
  // A reply to a probe; what it joins is found out in the end. An address that
  // is not IPv4 is counted and left out.
  void AddHop(const IpAddress& target, uint32_t flow, unsigned ttl,
              const IpAddress& responder, ReplyKind kind);

  // A link that the format itself asserts.
  void AddLink(const IpAddress& near, const IpAddress& far,
               const FoundLink& more);

  void AddInterface(const IpAddress& address);

  // All of it. Once, at the end.
  FoundTopology Take(std::string format);

 private:
  void MergeInterfaces();
  void ReadPath(const FoundHop* first, const FoundHop* last);
  void Join(const FoundHop& near, const FoundHop& far);

  std::vector<FoundHop> hops_;
  FoundTopology all_;
  size_t merge_at_ = 1 << 20;
};

// What an ICMP answer from `responder` to a probe to `target` means.
ReplyKind KindOf(unsigned icmp_type, const IpAddress& responder,
                 const IpAddress& target);

class FoundFile;
class ReplySink;

struct FoundFormat {
  const char* name;
  const char* help;
  // Whether what begins with these bytes is in this format. For directories
  // `head` is empty and `path` tells. At most one format may say yes.
  bool (*knows)(const std::string& path, std::string_view head);
  absl::Status (*read)(FoundFile& file, Findings& findings);
  // For formats that keep whole replies, see replies.h; null for others.
  absl::Status (*read_replies)(FoundFile& file, ReplySink& sink) = nullptr;
};

// Reads the result at `path`, "-" for standard input, in the named format or,
// if that is "auto", in the one that knows it. Errors name the file, the line
// or offset, what is wrong there and what to do.
absl::StatusOr<FoundTopology> ReadFound(const std::string& path,
                                        const std::string& format);

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_FOUND_H_
