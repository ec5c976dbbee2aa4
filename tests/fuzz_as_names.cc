// libFuzzer on the reader of AS names: see tests/fuzz_networks.h.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_as_names -max_total_time=60

#include "tests/fuzz_networks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::FuzzNetworks("AS names", data, size);
  return 0;
}
