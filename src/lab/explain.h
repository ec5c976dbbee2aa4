#ifndef FATHOM_SRC_LAB_EXPLAIN_H_
#define FATHOM_SRC_LAB_EXPLAIN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "src/lab/truth.h"

namespace fathom::lab {

// Why a scanner came to believe in a link that is not there.
//
// The causes are looked for in this order, so that each false link has one.
enum class Cause : uint8_t {
  kLoop,         // The way back of a loop: only packets that circle cross it.
  kElsewhere,    // A link of the lab, which no packet to the listed targets
                 // crosses: the scanner had other targets.
  kRewritten,    // An end that is not on the way to that target at all.
  kPerPacket,    // Two branches of a balancer that deals out packets.
  kFlowChanged,  // Two branches of a balancer that keeps flows together: the
                 // flow was not kept.
  kRouteChange,  // The ends of two routes, before and after a change.
  kBridged,      // Something stands between: silent, or not heard.
  kOther,
};
inline constexpr const char* kCauseNames[] = {
    "loop",         "elsewhere",    "rewritten",          "per-packet",
    "flow changed", "route change", "silent hop bridged", "other"};
inline constexpr size_t kCauses = 8;

// Explains false links. Asks the truth about one target at a time, some
// microseconds a link; keeps nothing. One thread.
class Explainer {
 public:
  // `truth` and `targets`, which ascend, must outlive this.
  Explainer(const Truth& truth, std::span<const uint32_t> targets)
      : truth_(truth), targets_(targets) {}

  // Why (near, far) is no link to `target`, which is nullopt if it is not
  // known. Then the targets that are nearest to the two in number are asked:
  // routers have addresses in the prefix that they serve (see route.h), so if
  // any target's path has the router, that of the nearest has it.
  // REQUIRES: it is not in the truth of the targets for any flow.
  Cause Explain(uint32_t near, uint32_t far,
                std::optional<uint32_t> target) const;

 private:
  std::optional<LinkKind> TrueKind(uint32_t near, uint32_t far,
                                   uint32_t target) const;
  // Nullopt if an end is not on the way to `target`.
  std::optional<Cause> ExplainOnPath(uint32_t near, uint32_t far,
                                     uint32_t target) const;
  uint32_t Nearest(uint32_t address) const;

  const Truth& truth_;
  const std::span<const uint32_t> targets_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_EXPLAIN_H_
