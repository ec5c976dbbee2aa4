// Fuzzes the reader of target and exclusion lists: whatever the bytes and
// however they are cut, it must say the same, and what it takes must be what
// it was told.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "fathom/prefix.h"
#include "src/schedule/address_list.h"

namespace fathom {
namespace {

struct Outcome {
  absl::Status status;
  std::vector<AddressBlock> blocks;
  uint64_t lines;
};

Outcome Read(std::string_view text, size_t piece) {
  AddressListParser parser("fuzz");
  Outcome outcome;
  while (!text.empty() && outcome.status.ok()) {
    outcome.status = parser.Feed(text.substr(0, piece), outcome.blocks);
    text.remove_prefix(std::min(piece, text.size()));
  }
  if (outcome.status.ok()) outcome.status = parser.Finish(outcome.blocks);
  outcome.lines = parser.counts().lines;
  return outcome;
}

void Check(bool held) {
  if (!held) std::abort();
}

void CheckText(std::string_view text, size_t piece) {
  const Outcome whole = Read(text, text.size() + 1);
  const Outcome cut = Read(text, piece);
  Check(whole.status == cut.status);
  Check(whole.blocks == cut.blocks);
  Check(whole.lines == cut.lines);
  // A report stays short, whatever the text.
  Check(whole.status.message().size() < 4096);
  for (const AddressBlock& block : whole.blocks) {
    const bool ipv4 = block.first.family() == Family::kIpv4;
    Check(block.length <= (ipv4 ? 32 : 128));
    Check(Prefix(block.first, block.length).first() == block.first);
  }
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  fathom::CheckText(text, 1 + data[0]);
  return 0;
}
