// A whole lane's sending half against a backend that discards: pacing,
// permutation, look-up of the target, the last check, encoding, lending.
//
// Budget: 67 ns a probe is 14.88 million a second, the line rate of 10 GbE with
// 64-byte frames; 125 ns, 8 million, is the least. The baseline only encodes,
// one and the same target, so the ratio says what all the rest costs.

#include <benchmark/benchmark.h>

#include <memory>
#include <stop_token>
#include <vector>

#include "bench/discard_backend.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/engine/lane.h"
#include "src/net/special_purpose.h"

namespace fathom {
namespace {

constexpr Ttl kTtls{32};

std::unique_ptr<ProbeCodec> MakeCodec(const Backend& backend) {
  return *Register<CodecModule>::Find("icmp")->make(
      {.key = {1, 2},
       .source = backend.source(),
       .link_header = backend.link_header()});
}

// One address in each of `count` /24s from 4.0.0.0 on.
TargetSet MakeTargets(size_t count) {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < count; ++i)
    addresses.push_back(0x04000001 + i * 256);
  return TargetSet(std::move(addresses));
}

// state.range(0): targets. 65,536 fit into the cache, 14 million do not.
void BM_Lane(benchmark::State& state) {
  DiscardBackend backend;
  const auto codec = MakeCodec(backend);
  const PrefixSet forbidden = SpecialPurposeSet();
  const TargetSet targets = MakeTargets(static_cast<size_t>(state.range(0)));
  const uint64_t kNoLimit = 1'000'000'000;
  const auto make = Register<StrategyModule>::Find("sweep")->make;
  auto strategy = *make(targets, {.max_ttl = kTtls, .seed = 1});
  Prober prober({*strategy, *codec, backend.tx(0), forbidden});
  Pacer pacer(kNoLimit, backend.Now());
  for (auto _ : state) {
    if (strategy->done()) {
      state.SkipWithError("the sweep ended before the measurement");
      break;
    }
    const Instant now = backend.Now();
    const auto sent = prober.Step(now, {}, pacer.Allowed(now));
    pacer.Take(*sent);
  }
  state.SetItemsProcessed(static_cast<int64_t>(prober.sent().value()));
}
BENCHMARK(BM_Lane)->Arg(1 << 16)->Arg(14'000'000)->Iterations(2'000);

void BM_EncodeOnly(benchmark::State& state) {
  DiscardBackend backend;
  const auto codec = MakeCodec(backend);
  const std::vector<Probe> probes(
      Prober::kBatch, {IpAddress::V4(0x04000001), Ttl(7), FlowId(0)});
  for (auto _ : state) {
    const auto frames = backend.tx(0).Lend(Prober::kBatch);
    codec->Encode(backend.Now(), probes, frames);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * Prober::kBatch);
}
BENCHMARK(BM_EncodeOnly)->Iterations(2'000);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
