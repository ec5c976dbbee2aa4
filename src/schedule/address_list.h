#ifndef FATHOM_SRC_SCHEDULE_ADDRESS_LIST_H_
#define FATHOM_SRC_SCHEDULE_ADDRESS_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fathom/address.h"

namespace fathom {

// The text form of targets and of exclusions: an address or prefix a line, of
// IPv4 or IPv6. `#` begins a comment; blank lines, spaces and tabs around,
// Windows line ends, a byte-order mark and a missing last line end are all
// borne.
//
// The reader is strict, since a line that is passed over is a network that is
// probed although it asked not to be. It goes on after a bad line only to
// report more of them at once.

// A prefix with no bits past its length.
struct AddressBlock {
  IpAddress first;
  uint8_t length;  // At most 32 for IPv4, 128 for IPv6.

  friend bool operator==(const AddressBlock&, const AddressBlock&) = default;
};

struct AddressListCounts {
  uint64_t lines = 0;      // Of all kinds, comments and blank ones too.
  uint64_t addresses = 0;  // Lines with an address.
  uint64_t prefixes = 0;   // Lines with a prefix.
  uint64_t ipv6 = 0;       // Of both, lines of IPv6.
  uint64_t bad = 0;        // Lines with something else.
};

// Reads such a text piece by piece, however it is cut. Holds one line at most.
class AddressListParser {
 public:
  // Longer lines are bad: they are no list of addresses.
  static constexpr size_t kMaxLine = 4096;
  // How many bad lines are reported; the others are counted.
  static constexpr size_t kMaxReported = 5;

  // `name` is what errors call the text: a file name.
  explicit AddressListParser(std::string name) : name_(std::move(name)) {}

  // Reads the next piece of the text and appends what its lines name to `out`,
  // in order. Fails only where going on makes no sense: on binary data.
  absl::Status Feed(std::string_view text, std::vector<AddressBlock>& out);

  // To be called once at the end of the text. Fails if any line was bad.
  absl::Status Finish(std::vector<AddressBlock>& out);

  const AddressListCounts& counts() const { return counts_; }

 private:
  // REQUIRES: `lines` is empty or ends in '\n'.
  absl::Status ReadLines(std::string_view lines,
                         std::vector<AddressBlock>& out);
  // Keeps the start of a line. REQUIRES: not skipping_; `text` has no '\n'.
  absl::Status KeepPartial(std::string_view text,
                           std::vector<AddressBlock>& out);
  // Reads one line, or the start of one that is too long.
  // REQUIRES: `line` has no '\n'.
  absl::Status ReadLine(std::string_view line, std::vector<AddressBlock>& out);
  void Take(const AddressBlock& block, bool is_prefix,
            std::vector<AddressBlock>& out);
  void Reject(std::string_view text, std::string_view problem);

  std::string name_;
  std::string partial_;    // The start of a line that is yet to end.
  bool skipping_ = false;  // In a line that was too long.
  AddressListCounts counts_;
  std::string report_;  // On the first bad lines, a line each.
};

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_ADDRESS_LIST_H_
