#ifndef FATHOM_SRC_ENGINE_RECEIVER_H_
#define FATHOM_SRC_ENGINE_RECEIVER_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/reply_sink.h"
#include "src/base/counter.h"
#include "src/schedule/targets.h"

namespace fathom {

// The hearing half of a lane: has the codec read what arrived and tells all
// sinks of the replies.
//
// Belongs to one thread; the counters may be read by any. What the constructor
// is given must outlive the receiver.
class Receiver {
 public:
  struct Parts {
    const Backend& backend;
    const ProbeCodec& codec;
    RxQueue& rx;
    std::vector<ReplySink*> sinks;
    // Answers to probes of other shards, which have the same key, are foreign.
    Shard shard{};
  };

  explicit Receiver(Parts parts) : parts_(std::move(parts)) {}

  // Receives, decodes and passes on at most one batch, waiting for it at most
  // `patience`.
  absl::Status Step(Nanos patience) {
    const auto frames = parts_.rx.Receive(patience);
    if (!frames.ok()) return frames.status();
    if (replies_.size() < frames->size()) replies_.resize(frames->size());
    size_t count = 0;
    for (size_t i = 0; i < frames->size(); ++i) {
      const RxFrame& frame = (*frames)[i];
      // Nothing has touched the packets yet: they are in no near cache.
      if (i + kAhead < frames->size()) {
        const std::byte* const next = (*frames)[i + kAhead].bytes.data();
        __builtin_prefetch(next);
        __builtin_prefetch(next + 64);
      }
      Verdict verdict = parts_.codec.Decode(frame, replies_[count]);
      if (verdict == Verdict::kReply && parts_.shard.count > 1 &&
          ShardOf(replies_[count].probe.target, parts_.shard.count) !=
              parts_.shard.index) {
        verdict = Verdict::kForeign;
      }
      verdicts_[static_cast<size_t>(verdict)].Add(1);
      count += verdict == Verdict::kReply ? 1 : 0;
    }
    const auto replies = std::span<const Reply>(replies_).first(count);
    const Instant now = parts_.backend.Now();
    for (ReplySink* sink : parts_.sinks) sink->Consume(now, replies);
    return absl::OkStatus();
  }

  const Counter& verdict(Verdict verdict) const {
    return verdicts_[static_cast<size_t>(verdict)];
  }

  // All packets that came in, whatever they were.
  uint64_t packets() const {
    uint64_t sum = 0;
    for (const Counter& counter : verdicts_) sum += counter.value();
    return sum;
  }

 private:
  static constexpr size_t kAhead = 4;

  Parts parts_;
  std::vector<Reply> replies_;  // Room for those of the largest batch.
  std::array<Counter, kVerdicts> verdicts_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_RECEIVER_H_
