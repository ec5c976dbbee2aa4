// libFuzzer on the reader of MRT: see tests/fuzz_networks.h.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_mrt -max_total_time=60

#include "tests/fuzz_networks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::FuzzNetworks("MRT", data, size);
  return 0;
}
