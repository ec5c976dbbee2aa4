// libFuzzer on all that reads the results of other scanners.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_found -max_total_time=60
//
// The first byte says which format the rest is read in, and whether as what is
// scored or as what is imported. Whatever it is, what is read must be as
// found.h and replies.h promise it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "fathom/registry.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/replies.h"
#include "src/net/icmp_extensions.h"
#include "tests/fuzz_file.h"

namespace fathom::found {
namespace {

void Check(const FoundTopology& found) {
  const auto after = [](const FoundLink& a, const FoundLink& b) {
    return a.near == b.near ? a.far >= b.far : a.near > b.near;
  };
  const auto itself = [](const FoundLink& link) {
    return link.near == link.far;
  };
  const auto& all = found.interfaces;
  if (std::adjacent_find(found.links.begin(), found.links.end(), after) !=
          found.links.end() ||
      std::any_of(found.links.begin(), found.links.end(), itself) ||
      std::adjacent_find(all.begin(), all.end(), std::greater_equal<>()) !=
          all.end()) {
    abort();
  }
  for (const FoundLink& link : found.links) {
    if (!std::binary_search(all.begin(), all.end(), link.near) ||
        !std::binary_search(all.begin(), all.end(), link.far)) {
      abort();
    }
  }
}

// Checks replies as the spool would take them.
class Checker final : public ReplySink {
 public:
  absl::Status Take(const FoundReply& found) override {
    const auto objects = found.reply.extensions.bytes;
    if (found.reply.kind > ReplyKind::kUnreachable ||
        found.reply.rtt < kUnknownRtt || objects.size() > kMaxExtensions ||
        WholeObjects(objects, kMaxExtensions) != objects.size()) {
      abort();
    }
    return absl::OkStatus();
  }
  absl::Status CutShort(const absl::Status& what) override {
    if (what.ok()) abort();
    return absl::OkStatus();
  }
};

void FuzzReplies(const FoundFormat& format, const std::string& path) {
  auto file = FoundFile::Open(path);
  if (!file.ok()) return;
  Checker checker;
  const absl::Status status = format.read_replies(*file, checker);
  if (!status.ok() && status.message().empty()) abort();
}

void Fuzz(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const FuzzFile file(std::as_bytes(std::span(data + 1, size - 1)));
  const auto formats = Register<FoundFormat>::All();
  const size_t which = (data[0] & 0x7f) % (formats.size() + 1);
  if (data[0] >= 0x80 && which < formats.size() &&
      formats[which].read_replies != nullptr) {
    return FuzzReplies(formats[which], file.path());
  }
  const auto found = ReadFound(
      file.path(), which == formats.size() ? "auto" : formats[which].name);
  if (found.ok()) Check(*found);
}

}  // namespace
}  // namespace fathom::found

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::found::Fuzz(data, size);
  return 0;
}
