#ifndef FATHOM_SRC_STRATEGY_LIMIT_WATCH_H_
#define FATHOM_SRC_STRATEGY_LIMIT_WATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom {

// Says how fast the routers at a place may be asked, so that their limits on
// replies are not what decides which hops are found.
//
// A place is whatever the caller expects to be the same few routers: a TTL near
// the scanner, or a TTL in an area. Each has a token bucket that earns the
// lesser of two rates:
//   * the cap: so many probes a second for each router heard there, at least
//     one. A place of kMaxRouters is not near, and free;
//   * what was found to be answered. It starts low and doubles while the share
//     of answered probes stays what it was; where that falls, the place was
//     asked faster than it answers, the rate is halved and from then on grows
//     by a sixteenth at a time, as TCP shares a line. Silence that does not
//     depend on the rate, of routers that never answer, changes nothing.
//
// With more than kFewRouters the second is left out: some of them fall silent
// while others do not, and what helps the ones holds back the others.
//
// The share is taken over half a second or kLeast probes, whichever is longer.
//
// In any window of t seconds at most the cap * (t + kBurst) + 1 probes go.
// Memory: 350 bytes a place. Time is handed in; one thread.
class LimitWatch {
 public:
  static constexpr size_t kMaxRouters = 64;
  static constexpr size_t kFewRouters = 16;
  static constexpr Nanos kBurst = std::chrono::milliseconds(20);
  static constexpr Nanos kEpoch = std::chrono::milliseconds(500);
  static constexpr uint64_t kLeast = 16;
  static constexpr double kFirstRate = 100;  // Probes a second.
  static constexpr double kLowestRate = 2;   // Of what is found.
  static constexpr double kShareKept = 0.8;  // Less is a fall.

  // REQUIRES: router_pps >= 1.
  LimitWatch(size_t places, uint64_t router_pps);

  // Whether a probe to the place may go now.
  bool May(size_t place, Instant now);

  // Takes note that one went. REQUIRES: May() said so at this time.
  void Asked(size_t place);

  // Takes note of a reply from the place.
  void Answered(size_t place, const IpAddress& responder);

  // From now on the cap alone counts there.
  void IgnoreShare(size_t place) { places_[place].ignore_share = true; }

  // What is known of a place so far.
  struct Estimate {
    uint64_t asked = 0;
    uint64_t answered = 0;
    size_t routers = 0;     // At most kMaxRouters.
    double best_share = 0;  // Answered, when that was least limited.
    double found_rate = 0;  // See above.
    double lost = 0;        // Share of probes that limits took, about.
  };
  Estimate At(size_t place) const;

 private:
  struct Place {
    Instant earned{};  // Until when the bucket has earned.
    Instant epoch{};   // When the running epoch began.
    double tokens = 1;
    double found = kFirstRate;
    bool ignore_share = false;
    double best = 0;    // The best share so far, slowly forgotten.
    bool fell = false;  // Ever: then it grows with care.
    uint64_t asked = 0;
    uint64_t answered = 0;
    uint64_t epoch_asked = 0;
    uint64_t epoch_answered = 0;
    size_t routers = 0;
    std::array<uint32_t, kMaxRouters> seen{};
  };

  // What the cap allows, a second.
  double Cap(const Place& place) const;
  double Rate(const Place& place) const;
  void EndEpoch(Place& place, Instant now);

  double router_pps_;
  std::vector<Place> places_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_LIMIT_WATCH_H_
