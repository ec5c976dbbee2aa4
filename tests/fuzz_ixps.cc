// libFuzzer on the reader of exchanges' prefixes, in text and in JSON.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_ixps -max_total_time=60

#include "src/annotate/ixps.h"
#include "tests/fuzz_file.h"

namespace fathom {
namespace {

void Fuzz(std::span<const std::byte> bytes) {
  const FuzzFile memory(bytes);
  auto file = InputFile::Open(memory.path());
  if (!file.ok()) return;
  Ixps ixps;
  const absl::Status read = ixps.Read(*file);
  if (!IsShowable(std::string(read.message()))) std::abort();
  ixps.Build();  // Also of what came before an error.
  for (const IpAddress& address :
       {IpAddress::V4(0), IpAddress::V4(0xc6120001), IpAddress::V4(0xffffffff),
        IpAddress::V6(0x2001'07f8'0000'0000, 1), IpAddress::V6(0, 0)}) {
    const std::string* const name = ixps.Find(address);
    if (name != nullptr && (name->empty() || !IsShowable(*name))) std::abort();
  }
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::Fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
