// libFuzzer on databases of libloc: see tests/fuzz_networks.h.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_libloc -max_total_time=60
//
// A database begins with 4 kB of signatures that nobody checks, which no fuzzer
// gets past. So the input is the 60 bytes of the header that say something, and
// what follows the signatures; offsets count from there. An input that is
// longer than a header is also taken as it is.

#include <algorithm>
#include <vector>

#include "src/base/bytes.h"
#include "tests/fuzz_networks.h"

namespace fathom {
namespace {

constexpr size_t kMagic = 8;
constexpr size_t kFields = 60;  // Ends with the pool.
constexpr size_t kHeader = kMagic + 4192;

void Fuzz(std::span<const std::byte> bytes) {
  if (bytes.size() >= kHeader) FuzzNetworks("libloc", bytes);
  if (bytes.size() < kFields) return;
  std::vector<std::byte> file(kHeader);
  const auto magic = std::as_bytes(std::span("LOCDBXX\1", kMagic));
  std::copy_n(magic.begin(), kMagic, file.begin());
  std::copy_n(bytes.begin(), kFields, file.begin() + kMagic);
  // Where ASes, networks, tree, countries and the pool begin.
  for (const size_t at : {28, 36, 44, 52, 60}) {
    const auto place = std::span(file).subspan(at);
    Store(Be32(Load<Be32>(place) + uint32_t{kHeader}), place);
  }
  file.insert(file.end(), bytes.begin() + kFields, bytes.end());
  FuzzNetworks("libloc", file);
}

}  // namespace
}  // namespace fathom

// The library loses what it was reading when a database turns out to be broken.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libloc.so";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::Fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
