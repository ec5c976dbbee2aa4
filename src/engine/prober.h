#ifndef FATHOM_SRC_ENGINE_PROBER_H_
#define FATHOM_SRC_ENGINE_PROBER_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/strategy.h"
#include "src/base/counter.h"
#include "src/base/status_macros.h"
#include "src/net/prefix_set.h"

namespace fathom {

// The sending half of a lane: asks the strategy for as many probes as the
// backend lends frames for, and has the codec write them there.
//
// Belongs to one thread; the counters may be read by any. What the constructor
// is given must outlive the prober.
class Prober {
 public:
  static constexpr size_t kBatch = 1024;

  struct Parts {
    Strategy& strategy;
    const ProbeCodec& codec;
    TxQueue& tx;
    const PrefixSet& forbidden;  // The last check before the wire.
  };

  explicit Prober(const Parts& parts) : parts_(parts) {}

  // Sends at most one batch, and no more than `allowed`; returns how many were
  // sent. Lends before it asks, so that no probe is made that cannot be sent.
  absl::StatusOr<size_t> Step(Instant now, std::span<const Reply> heard,
                              size_t allowed) {
    if (!heard.empty()) parts_.strategy.Observe(heard);
    const auto frames = parts_.tx.Lend(std::min(allowed, kBatch));
    size_t ready = 0;
    for (bool more = true; more && ready < frames.size();) {
      const auto left = frames.subspan(ready);
      const auto room =
          std::span(probes_).first(std::min(left.size(), probes_.size()));
      const size_t made = parts_.strategy.Next(now, room);
      const auto probes = room.first(Withhold(room.first(made)));
      parts_.codec.Encode(now, probes, left);
      ready += probes.size();
      more = made == room.size();
    }
    FATHOM_RETURN_IF_ERROR(parts_.tx.Send(ready));
    sent_.Add(ready);
    return ready;
  }

  const Counter& sent() const { return sent_; }

  // Probes that a strategy made to a forbidden target: a defect of the target
  // set, since there those have no index.
  const Counter& withheld() const { return withheld_; }

 private:
  // Moves the probes that may be sent to the front; returns how many.
  size_t Withhold(std::span<Probe> probes) {
    const auto end = std::remove_if(
        probes.begin(), probes.end(),
        [this](const Probe& p) { return parts_.forbidden.Contains(p.target); });
    const auto kept = static_cast<size_t>(end - probes.begin());
    if (kept != probes.size()) withheld_.Add(probes.size() - kept);
    return kept;
  }

  Parts parts_;
  // A batch is made in parts, so that what is worked on stays in the cache.
  static constexpr size_t kPart = 64;

  std::array<Probe, kPart> probes_;
  Counter sent_;
  Counter withheld_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_PROBER_H_
