#ifndef FATHOM_SRC_LAB_MISCHIEF_H_
#define FATHOM_SRC_LAB_MISCHIEF_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/probe_packet.h"

namespace fathom::lab {

struct Scenario;

// What goes wrong with replies on their way back, and what comes with them.
// All of it follows from the chance of the packet.

struct Mishap {
  Nanos late{0};
  bool duplicated = false;
  bool truncated = false;
  bool forged = false;   // A forged packet comes too,
  bool garbage = false;  // or one without sense.
};

class Mischief {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Mischief(const Scenario& scenario);

  // What happens to the reply to a packet of this `chance`.
  Mishap Of(uint64_t chance) const {
    const uint64_t hash = Again(chance, kMishap);
    // Most replies fare well, and one comparison says so.
    if (!any_.Holds(High(hash))) return {};
    return Choose(hash);
  }

  // Whether anything does.
  bool Strikes(uint64_t chance) const {
    return any_.Holds(High(Again(chance, kMishap)));
  }

 private:
  static constexpr uint64_t kMishap = 77;

  Mishap Choose(uint64_t hash) const;

  Share any_;
  Share late_;
  Share duplicated_;
  Share truncated_;
  Share forged_;
  DelayRange late_delay_;
};

// The length that a reply of `length` bytes is cut to: some, but not all.
// REQUIRES: length > 1.
size_t CutLength(size_t length, uint64_t chance);

inline constexpr size_t kForgedSize = 56;

// Time Exceeded from somewhere about a probe to somewhere that nobody sent: as
// good as a forger can make it who has seen probes of others, but not this
// scan's key. REQUIRES: out.size() == kForgedSize.
void WriteForged(const ProbePacket& probe, uint64_t chance,
                 std::span<std::byte> out);

// How long the garbage of this chance is.
size_t GarbageSize(uint64_t chance);

// Noise; half of it looks like an IPv4 packet to the sender of the probe.
// REQUIRES: out.size() == GarbageSize(chance).
void WriteGarbage(const ProbePacket& probe, uint64_t chance,
                  std::span<std::byte> out);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_MISCHIEF_H_
