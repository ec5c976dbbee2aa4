// libFuzzer on scenario files.
//
//   meson setup build-fuzz -Dfuzz=true (with CXX=clang++)
//   build-fuzz/fuzz_scenario -max_total_time=60
//
// What is read can be printed and read again, and is a lab in which paths lead
// to the ends of the space.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "src/lab/scenario.h"
#include "src/lab/truth.h"
#include "tests/fuzz_file.h"

namespace fathom::lab {
namespace {

void Check(bool held) {
  if (!held) std::abort();
}

void AskFor(const Truth& truth, const Scenario& scenario, uint32_t target) {
  const FlowKeys keys = AddressKeys(scenario.source.v4(), target);
  size_t hops = 0;
  truth.VisitHops(target, keys, Sight::kEverything, [&](const TrueHop& hop) {
    Check(hop.host == (hop.address == target));
    ++hops;
  });
  // Branches of six levels at most.
  Check(hops < 4096);
  truth.VisitLinks(target, keys, Sight::kAnyFlow,
                   [&](const TrueLink& link) { Check(link.near != link.far); });
}

void Fuzz(std::string_view text) {
  const auto scenario = ParseScenario(text, "fuzz");
  if (!scenario.ok()) {
    Check(IsShowable(std::string(scenario.status().message())));
    return;
  }
  const auto again = ParseScenario(PrintScenario(*scenario), "printed");
  Check(again.ok() && *again == *scenario);
  Check(MaxRoundTrip(*scenario) > Nanos(0));
  const Truth truth(*scenario);
  for (const Prefix& prefix : {scenario->space[0], scenario->space.back()}) {
    const uint32_t first = prefix.first().v4();
    AskFor(truth, *scenario, first + 1);
    AskFor(truth, *scenario, first | (0xffff'ffffU >> prefix.length()));
  }
}

}  // namespace
}  // namespace fathom::lab

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fathom::lab::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
