// libFuzzer on the reader of MMDB: see tests/fuzz_networks.h.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_mmdb -max_total_time=60

#include "tests/fuzz_networks.h"

// libmaxminddb 1.7 loses some kilobytes where a file's metadata are damaged,
// once for a file that is then refused.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT
  return "leak:libmaxminddb";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::FuzzNetworks("MMDB", data, size);
  return 0;
}
