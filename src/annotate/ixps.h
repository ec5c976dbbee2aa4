#ifndef FATHOM_SRC_ANNOTATE_IXPS_H_
#define FATHOM_SRC_ANNOTATE_IXPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "src/annotate/input_file.h"
#include "src/annotate/prefix_table.h"

namespace fathom {

// The LANs of exchanges, of one file or several. Of a prefix that stands in
// several the first counts.
//
// Forms that are known: lines "PREFIX NAME" or "PREFIX,NAME"; JSON of
// PeeringDB, which is a dump of all or the answer to /api/ixpfx (without
// names); and lines of JSON with "name" and "prefixes", as CAIDA publishes.
class Ixps {
 public:
  absl::Status Read(InputFile& file);

  // Call it once, after what was read; until then nothing is found.
  void Build() { table_ = PrefixTable::Build(std::move(entries_)); }

  // The name of the exchange; nullptr if the address is of none.
  const std::string* Find(const IpAddress& address) const {
    const uint32_t index = table_.Find(address);
    return index == PrefixTable::kNone ? nullptr : &names_[index];
  }

  // How many prefixes were read.
  size_t networks() const { return networks_; }

 private:
  absl::Status ReadLines(InputFile& file);
  absl::Status ReadJson(InputFile& file);
  absl::Status Add(std::string_view prefix, std::string_view name);

  std::vector<PrefixTable::Entry> entries_;
  std::vector<std::string> names_;
  absl::flat_hash_map<std::string, uint32_t> indices_;  // Of names.
  size_t networks_ = 0;
  PrefixTable table_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_IXPS_H_
