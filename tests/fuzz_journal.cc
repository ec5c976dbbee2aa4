// Any bytes as a segment of a journal: as they are, and as the body of one,
// since no fuzzer guesses what zstd makes of it. Then as what a scan notes
// between its replies.
#include <zstd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/engine/journal.h"
#include "src/engine/spool_record.h"

namespace fathom {
namespace {

const TargetSet& Targets() {
  static const TargetSet targets(std::vector<uint32_t>{
      0x04000001, 0x04000102, 0x04000203, 0x05000001, 0x06000001});
  return targets;
}

void Replay(const char* strategy, std::span<const std::byte> segment) {
  const auto module = Register<StrategyModule>::Find(strategy);
  Journal journal(*module->make(Targets(), {}),
                  {.origin = Instant(),
                   .write = [](Instant, std::vector<std::byte>) {},
                   .heard_until = [] { return Instant(); }});
  if (!journal.Replay(segment).ok()) return;
  const auto late = RepliesIn(segment);
  if (!late.ok()) return;
  journal.Begin(Instant(), *late);
  std::array<Probe, 16> room;
  journal.Next(Instant(std::chrono::seconds(1)), room);
  journal.Finish(Instant(std::chrono::seconds(2)), 0, 0);
}

std::vector<std::byte> AsBody(std::span<const std::byte> body) {
  SegmentHead head;
  head.flags = SegmentHead::kObserves | SegmentHead::kLast;
  std::vector<std::byte> segment(sizeof head + ZSTD_compressBound(body.size()));
  std::memcpy(segment.data(), &head, sizeof head);
  segment.resize(sizeof head + ZSTD_compress(segment.data() + sizeof head,
                                             segment.size() - sizeof head,
                                             body.data(), body.size(), 1));
  return segment;
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const char* strategy : {"sweep", "back_forward", "multipath"}) {
    fathom::Replay(strategy, bytes);
    fathom::Replay(strategy, fathom::AsBody(bytes));
  }
  (void)fathom::ReadMark(
      std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
