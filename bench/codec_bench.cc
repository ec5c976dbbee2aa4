// What a probe and a reply cost in the codec.
//
// Budget: a lane has 67 ns a probe for 10 GbE at 64 bytes, of which encoding
// may take 25; decoding may take 60. The baseline copies as many bytes and
// does nothing else.

#include <benchmark/benchmark.h>

#include <vector>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "tests/router_reply.h"

namespace fathom {
namespace {

constexpr size_t kBatch = 64;

std::unique_ptr<ProbeCodec> MakeCodec() {
  static constexpr std::array<std::byte, 14> kEthernet{};
  return *Register<CodecModule>::Find("icmp")->make(
      {.key = {1, 2},
       .source = IpAddress::V4(0x0a000001),
       .link_header = kEthernet});
}

std::vector<Probe> MakeProbes() {
  std::vector<Probe> probes;
  for (uint32_t i = 0; i < kBatch; ++i) {
    probes.push_back({IpAddress::V4(0x04000001 + i * 0x01030507),
                      Ttl(static_cast<uint8_t>(1 + i % 32)), FlowId(0)});
  }
  return probes;
}

struct Frames {
  std::vector<std::byte> room = std::vector<std::byte>(kBatch * kMaxProbeSize);
  std::vector<TxFrame> frames;

  Frames() {
    for (size_t i = 0; i < kBatch; ++i) {
      frames.push_back(
          {std::span(room).subspan(i * kMaxProbeSize, kMaxProbeSize)});
    }
  }
};

void BM_CopyOnly(benchmark::State& state) {
  Frames to;
  const std::vector<std::byte> probe(MakeCodec()->probe_size());
  for (auto _ : state) {
    for (TxFrame& frame : to.frames) {
      std::copy(probe.begin(), probe.end(), frame.room.begin());
      benchmark::DoNotOptimize(frame.room.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_CopyOnly);

void BM_Encode(benchmark::State& state) {
  const auto codec = MakeCodec();
  const std::vector<Probe> probes = MakeProbes();
  Frames to;
  Instant now{};
  for (auto _ : state) {
    now += Nanos(4000);
    codec->Encode(now, probes, to.frames);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_Encode);

// state.range(0): bytes of transport that the router quotes.
void BM_Decode(benchmark::State& state) {
  const auto codec = MakeCodec();
  const std::vector<Probe> probes = MakeProbes();
  Frames to;
  codec->Encode({}, probes, to.frames);
  std::vector<Bytes> replies;
  for (const TxFrame& frame : to.frames) {
    replies.push_back(
        RouterReply(frame.room.subspan(14, frame.length - 14),
                    {.quoted_transport = static_cast<size_t>(state.range(0))}));
  }
  std::vector<Reply> decoded(kBatch);
  for (auto _ : state) {
    for (size_t i = 0; i < kBatch; ++i) {
      codec->Decode({replies[i], Instant(Nanos(1000))}, decoded[i]);
    }
    benchmark::DoNotOptimize(decoded.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_Decode)->Arg(8)->Arg(64);

}  // namespace
}  // namespace fathom

BENCHMARK_MAIN();
